/** Follows "Add a field to projects" of CONTRIBUTING.md in a copy of the repository. */
import { spawnSync } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
let copy: string;
beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), "omoi-walk-"));
  const copied = ["src", "test", "e2e", "bench", "scripts", "package.json", "vitest.config.ts"];
  const settings = ["tsconfig.json", "tsconfig.base.json", "tsconfig.web.json"];
  for (const name of [...copied, ...settings])
    await cp(join(root, name), join(copy, name), { recursive: true });
  await symlink(join(root, "node_modules"), join(copy, "node_modules"));
});
afterAll(() => rm(copy, { recursive: true, force: true }));

/** Inserts lines before a place that the file has exactly once after a mark. */
async function insert(path: string, mark: string, place: string, lines: string): Promise<void> {
  const text = await readFile(join(copy, path), "utf8");
  const start = text.indexOf(mark);
  const at = text.indexOf(place, start);
  expect([path, start >= 0, at >= 0]).toEqual([path, true, true]);
  await writeFile(join(copy, path), text.slice(0, at) + lines + text.slice(at));
}

function run(program: string, ...args: string[]): { status: number | null; output: string } {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(VITEST|OMOI_TEST|SUITE_)/.test(name)),
  );
  const file = join(copy, "node_modules/.bin", program);
  const { status, stdout, stderr } = spawnSync(file, args, { cwd: copy, encoding: "utf8", env });
  return { status, output: stdout + stderr };
}

test("a field of projects is in the API, the database and the audit log after its walk", async () => {
  const api = "src/shared/api/code/projects.ts";
  const declared = 'nickname: nullable.string.describe("A short name; null for none"),\n';
  await insert(api, "export const project = ", "description:", declared);
  const input = 'nickname: z.string().max(20).nullish().describe("A short name"),\n';
  await insert(api, 'summary: "Update a project"', "description:", input);
  const migration = "src/server/db/migrations/9999_nickname.sql";
  await writeFile(join(copy, migration), "alter table projects add column nickname text;\n");
  await insert(
    "src/server/db/tables/tables.ts",
    'pgTable("projects"',
    "description:",
    "nickname: text(),\n",
  );
  const tests = "src/server/features/code/projects/projects.test.ts";
  await insert(
    tests,
    'description: "Ours",\n      default_branch',
    "default_branch",
    "nickname: null,\n",
  );
  await insert(
    tests,
    'describe("projects"',
    '  test("an empty project is ready',
    `test("has a nickname", async () => {
      const { id } = await create({ name: "Nicknamed" });
      const params = { project_id: id };
      await owner.api.projects.update({ params, body: { nickname: "nick" } });
      expect((await owner.api.projects.get({ params })).data.nickname).toBe("nick");
      const { data } = await owner.api.audit.list({ params: { org_id: org.id }, query: {} });
      expect(data[0]?.changes).toEqual({ nickname: { from: null, to: "nick" } });
    });\n`,
  );
  expect(run("tsc", "-p", "tsconfig.json", "--noEmit")).toEqual({ status: 0, output: "" });
  expect(run("tsc", "-p", "tsconfig.web.json", "--noEmit")).toEqual({ status: 0, output: "" });
  const { status, output } = run("vitest", "run", "--reporter=verbose", "--project", "api", tests);
  expect(status, output).toBe(0);
  expect(output).toContain("has a nickname");
});
