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

/** Folders whose comments and test titles keep the rules. */
const sourceFolders = ["src", "test", "e2e", "bench", "scripts"];

/** A source text with only the given parts, each on its own line. */
function keepParts(text: string, parts: readonly { part: string; index: number }[]): string {
  const lines = text.split("\n").map(() => "");
  for (const { part, index } of parts) {
    const first = text.slice(0, index).split("\n").length - 1;
    for (const [at, line] of part.split("\n").entries()) lines[first + at] += line;
  }
  return lines.join("\n");
}

function commentsOf(text: string): string {
  const comments = text.matchAll(/\/\*.*?\*\/|(?<![:\w"'`])\/\/[^\n]*/gs);
  return keepParts(
    text,
    [...comments].map(({ 0: part, index }) => ({ part, index })),
  );
}

/** The titles of tests and suites, including those of `test.skipIf(…)` and `describeEachDriver`. */
function titlesOf(text: string): string {
  const call = /\b(?:test|it|describe\w*)(?:\.\w+(?:\([^\n]*?\))?)?\(\s*(["`])(.*?)(?<!\\)\1/g;
  const titles = text.matchAll(call);
  return keepParts(
    text,
    [...titles].map(({ 2: part = "", index }) => ({ part, index })),
  );
}

/** These files quote forbidden words. */
const quoting = new Set(["test/documents/words.test.ts", "src/web/words.test.ts"]);

test("comments and test titles keep the wording rules", async () => {
  const found: string[] = [];
  for (const folder of sourceFolders) {
    const entries = await readdir(join(root, folder), { recursive: true });
    const sources = entries
      .map((entry) => join(folder, entry))
      .filter((name) => /\.([mc]?[jt]s|tsx|css)$/.test(name) && !name.includes("node_modules"))
      .filter((name) => !quoting.has(name));
    expect([folder, sources.length > 0]).toEqual([folder, true]);
    for (const name of sources) {
      const text = await readFile(join(root, name), "utf8");
      found.push(...violations(name, commentsOf(text)));
      if (/\.(test|e2e)\.tsx?$/.test(name)) found.push(...violations(name, titlesOf(text)));
    }
  }
  expect(found).toEqual([]);
});

test("finds the titles of tests and suites", () => {
  const text =
    'describe("a", () => {\n  test.skipIf(x)("b", f);\n  test.each([1])(`c ${d}`, f);\n' +
    '  describeEachDriver(\n    "d", f);\n  latest("e");\n});';
  expect(titlesOf(text)).toBe("a\nb\nc ${d}\nd\n\n\n");
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
