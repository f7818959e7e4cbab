/** The values that texts of automations and filters name, as in `{{event.issue.title}}`. */

const NAMES: readonly string[] = [
  "event.type",
  "event.by",
  ...["number", "title", "body", "url", "author", "labels"].map((name) => `event.issue.${name}`),
  ...["body", "author", "url"].map((name) => `event.comment.${name}`),
  ...["number", "title", "body", "url", "author", "labels", "branch", "base", "diff"].map(
    (name) => `event.pull_request.${name}`,
  ),
  ...["verdict", "body", "author", "url"].map((name) => `event.review.${name}`),
  ...["name", "url", "log"].map((name) => `event.check.${name}`),
  "event.label",
  "event.assignee",
  "event.branch",
  "event.commit",
  "event.reason",
  "event.scheduled_at",
  ...["number", "title", "url"].map((name) => `task.${name}`),
  "project.name",
  "project.path",
  "now",
];

/** All names but those of a webhook's JSON. */
export const automationNames: readonly string[] = NAMES;

const PAYLOAD = /^event\.payload(\.[A-Za-z0-9_$-]{1,100}){0,20}$/;

/** Whether a text or a filter may name a value: `event.payload` has whatever the sender sent. */
export function isAutomationName(name: string): boolean {
  return NAMES.includes(name) || PAYLOAD.test(name);
}

/** A text between names, or a name. */
export type TemplatePart = { text: string } | { name: string };

/** Splits a text at its names. A brace without its partner is text. */
export function partsOf(template: string): TemplatePart[] {
  const parts: TemplatePart[] = [];
  let from = 0;
  for (;;) {
    const start = template.indexOf("{{", from);
    const end = start < 0 ? -1 : template.indexOf("}}", start + 2);
    if (end < 0) {
      parts.push({ text: template.slice(from) });
      return parts;
    }
    parts.push({ text: template.slice(from, start) });
    parts.push({ name: template.slice(start + 2, end).trim() });
    from = end + 2;
  }
}

/** Returns the first name of a text that no event has; undefined if all are known. */
export function unknownNameOf(template: string): string | undefined {
  for (const part of partsOf(template)) {
    if ("name" in part && !isAutomationName(part.name)) return part.name;
  }
  return undefined;
}
