import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

/**
 * Labels fixed before the pages were written, in their original spelling. All others are sentence case.
 */
const fixed = [
  "API Key Created",
  "API Key Management",
  "API Keys",
  "Base Branch",
  "Conflicts Resolved",
  "Copy Key",
  "Current Usage",
  "Download Key",
  "Files Changed",
  "Full Access",
  "Generate Key",
  "Generate New API Key",
  "Git Branch",
  "Invite Member",
  "Last Used",
  "Max Concurrent Agents",
  "Max Runtime Hours",
  "Merge Conflicts",
  "New Organization",
  "Organization Scope",
  "Parent Agent",
  "Parent Commit",
  "Resource Usage",
  "Save Changes",
  "Source Branch",
  "Switch Organization",
  "Target Branch",
  "Total Commits",
  "Total Conflicts Resolved",
  "Update Limits",
  "Usage Example",
  "View Details",
  "View Diff",
  "Working Directory",
  "Workspace Details",
  "Workspace Type",
].toSorted((left, right) => right.length - left.length);

/** Proper names and examples. */
const names =
  /\b(Acme Corp|Bearer|Docker|Firefox|Forgejo|Fridays|GitHub App|GitHub|Integration|Internet|Kubernetes|Linux|Meta|MiB|Omoi|Sort by Name|Windows)\b/g;

/** Returns the short texts of a source: labels, buttons, headings, options. */
function labelsOf(source: string): string[] {
  const quoted = [...source.matchAll(/"([A-Z][^"\n]*)"|`([A-Z][^`\n]*)`/g)];
  const between = [...source.matchAll(/>([A-Z][^<>{}\n]*)</g)];
  const lines = [...source.matchAll(/^\s+([A-Z][A-Za-z()&' ]*…?)$/gm)];
  return (
    [...quoted, ...between, ...lines]
      .map(([, one, other]) => (one ?? other ?? "").replaceAll(/\$\{[^}]*\}/g, "x"))
      // A fragment of a sentence ends in a space.
      .filter((text) => !/[.,;?!]| $/.test(text) && text.split(" ").length <= 6)
  );
}

/** Words that pages avoid, and the standard wording. */
const avoided: readonly (readonly [RegExp, string])[] = [
  [/\be-mails?\b/i, "email"],
  [/\bwhoever\b/i, "the administrator, the sender: a noun"],
  [/\b(he|him|his|she|hers?)\b/i, "the user, or they"],
  [/\b(some|any|no)body\b/i, "another user, a member: a noun"],
  [/\bany more\b/i, "no longer"],
  [/\b(is|are|was) told\b|\btold when\b/i, "is shown, is notified"],
  [/\bin sum\b/i, "in total"],
  [/\b(nothing|none|no \w+) fits?\b/i, "no results"],
  [/\b(afresh|anew)\b/i, "again"],
  [/\b(organis|authoris|recognis|cancelled|behaviour)/i, "American spelling"],
];

/** Returns the texts that pages show: quoted ones with a space in them, and those between tags. */
function textsOf(source: string): string[] {
  const code = source.replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, "");
  const quoted = [...code.matchAll(/"([^"\n]* [^"\n]*)"|`([^`]* [^`]*)`/g)];
  const between = [...code.matchAll(/>\s*([A-Z][^<>{}=;]*)/g)];
  const lines = [...code.matchAll(/^\s+([A-Za-z][A-Za-z',.:;?! -]* [A-Za-z',.:;?! -]*)$/gm)];
  return [...quoted, ...between, ...lines].map(([, one, other]) => one ?? other ?? "");
}

function avoidedIn(source: string): string[] {
  return textsOf(source).flatMap((text) =>
    avoided.filter(([pattern]) => pattern.test(text)).map(([, rather]) => `${text} → ${rather}`),
  );
}

function isRight(label: string): boolean {
  const isFixed = fixed.includes(label);
  const isLike = fixed.some((text) => text.toLowerCase() === label.toLowerCase());
  if (isLike) return isFixed;
  let rest = label.replaceAll(names, "x");
  for (const text of fixed) rest = rest.replaceAll(text, "X");
  return !/ [A-Z][a-z]/.test(rest);
}

test("labels are sentence case, and fixed labels keep their spelling", () => {
  const all = readdirSync(import.meta.dirname, { recursive: true, encoding: "utf8" });
  const files = all.filter((file) => file.endsWith(".tsx"));
  expect(files.length).toBeGreaterThan(100);
  const wrong = files.flatMap((file) =>
    labelsOf(readFileSync(join(import.meta.dirname, file), "utf8"))
      .filter((label) => !isRight(label))
      .map((label) => `${file}: ${label}`),
  );
  expect(wrong).toEqual([]);
  expect(["New Agent", "New agent", "Base Branch", "Base branch"].map(isRight)).toEqual([
    false,
    true,
    true,
    false,
  ]);
});

test("page texts use standard words", () => {
  const all = readdirSync(import.meta.dirname, { recursive: true, encoding: "utf8" });
  const files = all.filter((file) => /(?<!\.test)\.tsx?$/.test(file));
  expect(
    files.flatMap((file) =>
      avoidedIn(readFileSync(join(import.meta.dirname, file), "utf8")).map(
        (text) => `${file}: ${text}`,
      ),
    ),
  ).toEqual([]);
  const planted = [
    'const a = "Set one by e-mail";',
    "<p>\n  Ask whoever runs the server\n</p>",
    "<b>It does not work any more.</b>",
    "/** Whoever reads a comment. */",
    'const name = "he-man";',
  ];
  expect(planted.map((source) => avoidedIn(source).length > 0)).toEqual([
    true,
    true,
    true,
    false,
    false,
  ]);
});
