/** The wording rules of CONTRIBUTING.md that a program can check. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");

/** Words and what to write instead. */
const rules: readonly (readonly [RegExp, string])[] = [
  [/\bwho(so)?ever\b/i, "the noun: “the caller”, “the holder of the key”"],
  [/\b(some|no|any)body\b/i, "the noun, “no one” or “everyone”"],
  [/(?<![-/\w.])\b(he|him|his|himself)\b(?![-/\w])/, "“they”, or the noun"],
  [/\be-mails?\b/i, "“email”"],
  [/\bone's own\b/i, "“your own”"],
  [/\bis told\b|\bare told\b|\btold of\b/i, "“is shown”, “is reported”, “gets a notification”"],
  [/\btaken up again\b|\bis taken up\b/i, "“is resumed”"],
  [/\bis looked (at|through)\b|\bare looked (at|through)\b/i, "“is checked”, “is scanned”"],
  [/\bof its own accord\b|\bby themselves\b/i, "“automatically”"],
  [/\bcontract, \*[A-Z]/, "a page of docs/reference"],
  [/\bthe seed\b/i, "a page of docs/reference"],
  [/\bcolour|\bbehaviour\b|\bcancelled\b|\bauthoris|\borganis/i, "American spelling"],
];

/** The error table repeats the titles of src/shared/errors.ts. */
const generated = new Set(["docs/reference/errors.md", "docs/reference/configuration.md"]);

async function documents(): Promise<string[]> {
  const below = async (folder: string): Promise<string[]> =>
    (await readdir(join(root, folder), { recursive: true })).map((name) => join(folder, name));
  const names = [...(await readdir(root)), ...(await below("docs")), ...(await below("deploy"))];
  return names.filter((name) => name.endsWith(".md") && !generated.has(name));
}

/** The lines of prose that break a rule. Code is left out: its names follow other rules. */
function violations(name: string, text: string): string[] {
  const prose = text.replaceAll(/```.*?```/gs, (block) => block.replaceAll(/[^\n]/g, ""));
  return prose.split("\n").flatMap((line, at) => {
    const words = line.replaceAll(/`[^`]*`/g, "");
    return rules
      .filter(([pattern]) => pattern.test(words))
      .map(([pattern, instead]) => `${name}:${at + 1}: ${String(pattern)}; write ${instead}`);
  });
}

test("the documents keep the wording rules", async () => {
  const names = await documents();
  expect(names.length).toBeGreaterThan(50);
  const found: string[] = [];
  for (const name of names)
    found.push(...violations(name, await readFile(join(root, name), "utf8")));
  expect(found).toEqual([]);
});

/** Folders of src whose comments keep the rules. */
const commented = ["shared", "git", "sandbox", "cli", "server", "web"];

/** A source text with all but its comments blanked out, line by line. */
function commentsOf(text: string): string {
  const lines = text.split("\n").map(() => "");
  for (const { 0: comment, index } of text.matchAll(/\/\*.*?\*\/|(?<![:\w"'`])\/\/[^\n]*/gs)) {
    const first = text.slice(0, index).split("\n").length - 1;
    for (const [at, line] of comment.split("\n").entries()) lines[first + at] += line;
  }
  return lines.join("\n");
}

test("the comments keep the wording rules", async () => {
  const found: string[] = [];
  for (const folder of commented) {
    const entries = await readdir(join(root, "src", folder), { recursive: true });
    const sources = entries.filter((name) => /(?<!\.test)\.(tsx?|css)$/.test(name));
    expect([folder, sources.length > 0]).toEqual([folder, true]);
    for (const source of sources) {
      const name = join("src", folder, source);
      found.push(...violations(name, commentsOf(await readFile(join(root, name), "utf8"))));
    }
  }
  expect(found).toEqual([]);
});

test("only comments of a source are checked", () => {
  const text = 'const nobody = "https://nobody"; // nobody\n/** Whoever\n * nobody */\nnobody();\n';
  expect(commentsOf(text)).toBe("// nobody\n/** Whoever\n * nobody */\n\n");
});

test.each([
  "Whoever holds a key may revoke it.",
  "Nobody waits for it.",
  "What he lost meanwhile he cannot use.",
  "Enter your e-mail address.",
  "The owner is told once.",
  "See contract, *Conventions*.",
  "An unknown colour.",
])("%s breaks a rule", (line) => {
  expect(violations("planted.md", line)).not.toEqual([]);
});

test("code is not prose", () => {
  expect(violations("planted.md", "`invalid e-mail`\n\n```\nnobody\n```\n")).toEqual([]);
});
