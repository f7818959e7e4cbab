import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Endpoint } from "#shared/api/endpoint.js";
import { api } from "#shared/api/index.js";
import { permissionNames } from "#shared/permissions.js";

const root = join(import.meta.dirname, "..");
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "omoi-lint-"));
  await copyFile(join(root, ".oxlintrc.json"), join(folder, ".oxlintrc.json"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What the linter says of a file with one import, at a place of the tree. */
async function lint(path: string, specifier: string): Promise<string> {
  const file = join(folder, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `import { thing } from "${specifier}";\n\nexport const used = thing;\n`);
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(root, "node_modules/oxlint/bin/oxlint"), path],
      { cwd: folder },
      (_error, stdout) => resolve(stdout),
    );
  });
}

test.each([
  ["src/shared/a.ts", "#server/app.js"],
  ["src/shared/api/b.ts", "node:fs"],
  ["src/web/features/agents/c.tsx", "#server/errors.js"],
  ["src/web/features/agents/d.tsx", "node:path"],
  ["src/web/features/agents/o.tsx", "#shared/api/agents.js"],
  ["src/web/ui/e.tsx", "#shared/errors.js"],
  ["src/web/ui/f.tsx", "../features/agents/queries.js"],
  ["src/server/http/g.ts", "../../web/api.js"],
  ["src/server/jobs/h.ts", "node:child_process"],
  ["src/server/features/agents/i.ts", "../members/repository.js"],
  ["src/server/features/agents/j.ts", "../members/routes.js"],
  ["src/server/features/agents/service.ts", "./routes.js"],
  ["src/server/features/agents/repository.ts", "fastify"],
  ["src/server/features/agents/commit-repository.ts", "fastify"],
  ["src/server/features/agents/k.ts", "../../app.js"],
])("in %s the import of %s is refused", async (path, specifier) => {
  expect(await lint(path, specifier)).toContain("no-restricted-imports");
});

test.each([
  ["src/server/features/agents/l.ts", "../members/service.js"],
  ["src/server/features/agents/m.ts", "#shared/api/agents.js"],
  ["src/server/features/agents/n.ts", "../../git/repository.js"],
  ["src/server/git/run.ts", "node:child_process"],
  ["src/web/features/agents/p.tsx", "#shared/permissions.js"],
])("in %s the import of %s is allowed", async (path, specifier) => {
  expect(await lint(path, specifier)).not.toContain("no-restricted-imports");
});

test("every call declares its access, and where a permission needs an organization, whose", () => {
  for (const [resource, endpoints] of Object.entries(api)) {
    for (const [name, endpoint] of Object.entries(endpoints as Record<string, Endpoint>)) {
      const { access, tenant } = endpoint;
      const open = ["public", "signed-in", "super-admin"];
      const known = [...open, ...permissionNames];
      expect(known, `${resource}.${name}`).toContain(access);
      if (!open.includes(access)) {
        expect(tenant, `${resource}.${name}`).not.toBeNull();
      }
    }
  }
});

test("settings are read in one place of the server", async () => {
  const files = await readdir(join(root, "src/server"), { recursive: true, withFileTypes: true });
  const readers: string[] = [];
  for (const entry of files) {
    if (!entry.isFile() || !entry.name.endsWith(".ts") || entry.name.endsWith(".test.ts")) continue;
    const file = join(entry.parentPath, entry.name);
    if ((await readFile(file, "utf8")).includes("process.env")) readers.push(relative(root, file));
  }
  // What programs of others need to be found and started (PATH and the like) is theirs, no setting of Omoi.
  const settings = readers.filter(
    (file) => !/\/(git\/environment|db\/embedded-(binaries|cluster))\.ts$/.test(file),
  );
  expect(settings).toEqual(["src/server/config.ts"]);
});
