/** The files that GitHub reads. `npm run check` rejects YAML that cannot be parsed. */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { workflowErrors } from "#test/support/documents/workflow-errors.js";

const root = join(import.meta.dirname, "../..");
const read = (path: string): Promise<string> => readFile(join(root, path), "utf8");

test("the workflow ends with .ci/run, for each supported line of Node, with read access only", async () => {
  const text = await read(".github/workflows/ci.yml");
  const { engines } = JSON.parse(await read("package.json")) as { engines: { node: string } };
  const oldest = /\^(\d+)/.exec(engines.node)?.[1];
  expect(text).toContain(`node: ["24", "${oldest}"]`);
  expect(text).toMatch(/^permissions:\n {2}contents: read\n\n/m);
  const steps = Array.from(text.matchAll(/^ {6}- (run|uses): (.+)$/gm), ([, kind, value]) => [
    kind,
    value,
  ]);
  expect(steps.at(-1)).toEqual(["run", "bash .ci/run"]);
  for (const [kind, value] of steps)
    if (kind === "uses") expect(value).toMatch(/^actions\/.+@v\d+$/);
  expect(await read(".ci/run")).toMatch(/^#!\/usr\/bin\/env bash\n/);
});

test.each(await readdir(join(root, ".github/workflows")))(
  "the workflow %s is valid, and its token may read unless a job says more",
  async (name) => {
    const text = await read(`.github/workflows/${name}`);
    expect(await workflowErrors(text)).toEqual([]);
    expect(text).toMatch(/^permissions:\n {2}contents: read\n/m);
  },
);

test("owners are named for files that exist", async () => {
  const lines = (await read(".github/CODEOWNERS")).split("\n").filter((line) => /^[/*]/.test(line));
  expect(lines.length).toBeGreaterThan(3);
  for (const line of lines) {
    const [path = "", ...owners] = line.split(/\s+/);
    expect(path === "*" || existsSync(join(root, path)), path).toBe(true);
    expect(owners.length).toBeGreaterThan(0);
  }
});

/** Runs a script in a copy of the project with other files. Returns its exit code and output. */
function runScript(
  name: string,
  args: readonly string[],
  files: Record<string, string>,
): { code: number; output: string } {
  const folder = mkdtempSync(join(tmpdir(), "omoi-script-"));
  try {
    cpSync(join(root, "scripts"), join(folder, "scripts"), { recursive: true });
    for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, path), text);
    const git = (...words: string[]) => execFileSync("git", ["-C", folder, ...words]);
    git("init", "--quiet");
    for (const subject of files["subjects"]?.split("\n") ?? []) {
      const author = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"];
      git(...author, "commit", "--quiet", "--allow-empty", "-m", subject);
    }
    const ended = spawnSync(process.execPath, [join(folder, "scripts", name), ...args], {
      encoding: "utf8",
    });
    return { code: ended.status ?? -1, output: ended.stdout + ended.stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("the notes of a release are the dated section of its version", () => {
  const changelog =
    "# Changelog\n\n## 1.2.0 — 2030-01-02\n\n- New.\n\n## 1.1.0 — unreleased\n\n- Old.\n";
  const notes = (tag: string, version: string) =>
    runScript("release-notes.mjs", [tag], {
      "package.json": JSON.stringify({ version }),
      "CHANGELOG.md": changelog,
    });
  expect(notes("v1.2.0", "1.2.0")).toEqual({ code: 0, output: "- New.\n" });
  expect(notes("v1.2.0", "1.3.0")).toMatchObject({
    code: 1,
    output: expect.stringContaining("package.json has 1.3.0") as string,
  });
  expect(notes("v1.1.0", "1.1.0")).toMatchObject({
    code: 1,
    output: expect.stringContaining("has no date") as string,
  });
  expect(notes("v1.3.0", "1.3.0")).toMatchObject({
    code: 1,
    output: expect.stringContaining("has no section") as string,
  });
});

test("subjects of commits name an area and a change", () => {
  const check = (...subjects: string[]) =>
    runScript("check-subjects.mjs", ["HEAD"], { subjects: subjects.join("\n") });
  expect(check("webhooks: retry deliveries", 'Revert "webhooks: retry deliveries"').code).toBe(0);
  const wrong = [
    "e2e: a word",
    "Retry deliveries",
    "jobs: retry.",
    `jobs: ${"longer ".repeat(12)}`,
  ];
  for (const subject of wrong) {
    const { code, output } = check("jobs: retry deliveries", subject);
    expect([subject, code]).toEqual([subject, 1]);
    expect(output).toContain(subject.trim());
    expect(output).not.toContain("retry deliveries");
  }
});

test.each(["bug", "feature"])(
  "the form %s has fields with a label and an id of its own",
  async (name) => {
    const text = await read(`.github/ISSUE_TEMPLATE/${name}.yml`);
    const [head = "", ...fields] = text.split(/^ {2}- type: /m);
    expect(head).toMatch(/^name: .+\ndescription: .+\nlabels: \[\w+\]\nbody:\n$/);
    const inputs = fields.filter((field) => field.startsWith("textarea\n"));
    expect(inputs.length).toBeGreaterThan(2);
    for (const input of inputs) expect(input).toMatch(/^ {4}attributes:\n {6}label: .+$/m);
    const ids = inputs.map((input) => /^ {4}id: ([a-z]+)$/m.exec(input)?.[1]);
    expect(ids).not.toContain(undefined);
    expect(new Set(ids).size).toBe(ids.length);
  },
);
