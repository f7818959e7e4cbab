import { join } from "node:path";
import { expect, test } from "vitest";
import { errorExplanations } from "#shared/error-explanations.js";
import { errorCodes, type ErrorCode } from "#shared/errors.js";
import { describeEvent, eventNames, permissionOfEvent } from "#shared/operation/event-types.js";
import { allSettings } from "#server/config/settings.js";
import { describedTools } from "#server/features/execution/mcp/describe-tools.js";

const reference = join(import.meta.dirname, "../../docs/reference");

function page(title: string, text: string, table: readonly (readonly string[])[]): string {
  const [head = [], ...rows] = table;
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const lines = [line(head), line(head.map(() => "---")), ...rows.map(line)];
  return `# ${title}\n\n${text}\n\n${lines.join("\n")}\n`;
}

function requirement(variables: readonly string[] = []): string {
  if (variables.length === 0) return "";
  return ` Requires ${variables.map((name) => `\`${name}\``).join(" and ")}.`;
}

test("docs/reference/configuration.md is what the table of settings says", async () => {
  const text =
    "Settings are environment variables. A wrong value or an unknown `OMOI_` name stops the start with one line " +
    "that names the variable and the cure. An empty value is as none.\n\n" +
    "Without `OMOI_SMTP_URL` every mail is a file in `outbox` in the data folder, which the log names. Several " +
    "processes of one machine may serve one `OMOI_DATABASE_URL` and one data folder together; a server in another " +
    "container is refused while one has the folder.";
  const rows = allSettings.map((setting) => [
    `\`${setting.variable}\``,
    setting.shownDefault ?? (setting.default ? `\`${setting.default}\`` : "none"),
    setting.documentation + requirement(setting.requires),
  ]);
  await expect(
    page("Configuration", text, [["variable", "default", "description"], ...rows]),
  ).toMatchFileSnapshot(join(reference, "configuration.md"));
});

test("docs/reference/errors.md is what the table of errors says", async () => {
  const text =
    "An error is `application/problem+json` (RFC 9457). `code` is one of these and stays; `detail` says what to " +
    "do next; `request_id` is the one of the server's log. `type` is the address of the same explanation on a " +
    "running server, `/api/docs/errors`.";
  const sections = Object.entries(errorCodes)
    .toSorted(([one, [first]], [other, [second]]) => first - second || (one < other ? -1 : 1))
    .map(([code, [status, title]]) => {
      const { meaning, remedy } = errorExplanations[code as ErrorCode];
      return `## \`${code}\`\n\n${status} · ${title}\n\n${meaning} ${remedy}`;
    });
  await expect(`# Errors\n\n${text}\n\n${sections.join("\n\n")}\n`).toMatchFileSnapshot(
    join(reference, "errors.md"),
  );
});

test("docs/reference/events.md is what the list of events says", async () => {
  const text =
    "Webhooks send these events ([guide](../how-to/receive-webhooks.md)), and the event stream names them as `event`, " +
    "each to those who have the permission. `data` has `organization_id`, `subject` and `actor`; events of runs, " +
    "sessions, merge requests, conflicts and limits have their fields in `run`, `session`, `merge_request`, `conflict` " +
    "and `limit`. " +
    "Fields can be added. Events are kept for the days of `OMOI_DELIVERY_DAYS` (30 by default).";
  const rows = eventNames.map((name) => [
    `\`${name}\``,
    `${describeEvent(name)}.`,
    `\`${permissionOfEvent(name)}\``,
  ]);
  await expect(
    page("Events", text, [["type", "what happened", "permission"], ...rows]),
  ).toMatchFileSnapshot(join(reference, "events.md"));
});

test("the explanation of an error says more than its title", () => {
  for (const [code, { meaning, remedy }] of Object.entries(errorExplanations)) {
    const [, title] = errorCodes[code as ErrorCode];
    expect([code, meaning === `${title}.`]).toEqual([code, false]);
    for (const text of [meaning, remedy])
      expect([code, text]).toEqual([code, expect.stringMatching(/^[A-Z].{10,}\.$/)]);
  }
});

test("docs/reference/mcp-tools.md is what the declarations of the tools say", async () => {
  const text =
    "The tools of the [Model Context Protocol](../how-to/mcp.md), each with the permission that its caller needs. A " +
    "tool makes one call of the API, with that call's fields, limits and audit. Lists answer with `items` and " +
    "`next_cursor`, 50 rows a page by default.";
  const rows = describedTools.map(({ call: { access }, definition }) => [
    `\`${definition.name}\``,
    definition.description.replaceAll("|", "\\|"),
    access === "signed-in" || access === "public" ? "none" : `\`${access}\``,
    definition.annotations.readOnlyHint
      ? "reads"
      : definition.annotations.destructiveHint
        ? "hard to undo"
        : "changes",
  ]);
  await expect(
    page("Tools of the Model Context Protocol", text, [
      ["tool", "what it does", "permission", "effect"],
      ...rows,
    ]),
  ).toMatchFileSnapshot(join(reference, "mcp-tools.md"));
});
