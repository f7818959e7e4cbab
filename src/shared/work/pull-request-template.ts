/** Templates of a project for the branch and the body of its pull requests, with fields as in `{{task.number}}`. */
export const branchFields = ["task.number", "task.slug"] as const;
export const bodyFields = [
  "task.number",
  "task.title",
  "task.url",
  "task.slug",
  "project.name",
  "summary",
  "checks",
] as const;
export type TemplateField = (typeof bodyFields)[number];

export const defaultBranchTemplate = "omoi/{{task.number}}-{{task.slug}}";
export const defaultBodyTemplate =
  "{{summary}}\n\n{{checks}}\n\n[Task #{{task.number}}]({{task.url}})";

const FIELD = /\{\{\s*([^{}]*?)\s*\}\}/g;

/** Returns the names of a template that are no fields of it. */
export function unknownFields(template: string, fields: readonly TemplateField[]): string[] {
  const names = [...template.matchAll(FIELD)].map(([, name = ""]) => name);
  return [...new Set(names.filter((name) => !fields.some((field) => field === name)))];
}

/** Returns why a template of branches cannot be used; null if it can. */
export function branchTemplateProblem(template: string): string | null {
  const [unknown] = unknownFields(template, branchFields);
  if (unknown !== undefined) return unknownText(unknown, branchFields);
  if (!/\{\{\s*task\.number\s*\}\}/.test(template)) {
    return "must contain {{task.number}}, so that each task has a branch of its own";
  }
  const name = renderTemplate(template, { "task.number": "1", "task.slug": "a" });
  const isName =
    /^[\w][\w./-]*$/.test(name) &&
    !/\.\.|\/\/|\/$|\.$|\/\.|\.lock(?:\/|$)/.test(name) &&
    !/^(?:workspace-|HEAD$|refs\/)/.test(name);
  return isName ? null : "must give a name of a branch, such as feature/12-round-half-cents";
}

/** Returns why a template of bodies cannot be used; null if it can. */
export function bodyTemplateProblem(template: string): string | null {
  const [unknown] = unknownFields(template, bodyFields);
  return unknown === undefined ? null : unknownText(unknown, bodyFields);
}

const unknownText = (name: string, fields: readonly string[]): string =>
  `has no field {{${name}}}; there are ${fields.map((field) => `{{${field}}}`).join(", ")}`;

/** Fills in a template. Values are not filled in again, and empty ones leave no blank paragraph. */
export function renderTemplate(
  template: string,
  values: Partial<Record<TemplateField, string>>,
): string {
  return template
    .replaceAll(FIELD, (_whole, name: TemplateField) => values[name] ?? "")
    .replaceAll(/\n{3,}/g, "\n\n")
    .trim();
}
