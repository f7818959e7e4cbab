import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { expect, test } from "vitest";
import type { Endpoint } from "#shared/contract/endpoint.js";
import { api } from "#shared/api/index.js";
import { permissionNames } from "#shared/permissions.js";
import { folderCircles } from "../../scripts/folder-circles.mjs";
import { circlesOf, forbidden, importsOf, importViolations } from "../../scripts/import-rules.mjs";

const root = join(import.meta.dirname, "../..");

test("the sources follow the import rules, without cycles", () => {
  expect(importViolations(root)).toEqual([]);
});

test.each([
  ["src/shared/a.ts", "src/server/errors.ts"],
  ["src/shared/api/b.ts", "node:fs"],
  ["src/shared/api/b.ts", "src/shared/node/key-text.ts"],
  ["src/git/store/refs.ts", "src/server/errors.ts"],
  ["src/git/store/refs.ts", "src/sandbox/launch.ts"],
  ["src/git/store/refs.ts", "pg"],
  ["src/git/store/refs.ts", "test/support/server/app.ts"],
  ["src/sandbox/probe.ts", "src/git/process/run.ts"],
  ["src/sandbox/probe.ts", "node:child_process"],
  ["src/web/features/work/agents/c.tsx", "src/server/errors.ts"],
  ["src/web/features/work/agents/c.tsx", "src/git/store/refs.ts"],
  ["src/web/features/work/agents/c.tsx", "node:path"],
  ["src/web/features/work/agents/c.tsx", "zod"],
  ["src/web/features/work/agents/c.tsx", "src/shared/api/work/agents.ts"],
  ["src/web/features/work/agents/c.tsx", "src/web/features/execution/runs/RunPage.tsx"],
  ["src/web/features/work/agents/c.tsx", "src/web/app/routes.tsx"],
  ["src/web/features/execution/parts/runs/d.tsx", "src/web/features/execution/runs/RunPage.tsx"],
  ["src/web/api/d.ts", "src/web/components/query-error.tsx"],
  ["src/web/ui/e.tsx", "src/shared/errors.ts"],
  ["src/web/ui/e.tsx", "src/web/api/client.ts"],
  ["src/server/features/work/agents/i.ts", "fastify"],
  ["src/server/access/i.ts", "fastify"],
  ["src/server/app.ts", "@fastify/cookie"],
  ["src/server/metrics/routes.ts", "fastify"],
  ["src/server/http/g.ts", "src/web/api/client.ts"],
  ["src/server/http/g.ts", "src/server/features/work/agents/index.ts"],
  ["src/server/jobs/h.ts", "node:child_process"],
  ["src/server/db/h.ts", "src/server/jobs/queue.ts"],
  ["src/server/db/h.ts", "src/server/features/work/agents/index.ts"],
  [
    "src/server/features/work/agents/i.ts",
    "src/server/features/organization/members/members.queries.ts",
  ],
  ["src/server/features/work/agents/i.ts", "src/server/features/organization/members/routes.ts"],
  ["src/server/features/work/agents/i.ts", "src/server/features/organization/members/feature.ts"],
  ["src/server/features/work/agents/i.ts", "src/server/app.ts"],
  ["src/server/features/index.ts", "src/server/features/organization/members/index.ts"],
  ["src/server/features/services.ts", "src/server/features/organization/members/members.ts"],
  ["src/server/app.ts", "src/server/features/organization/members/index.ts"],
  ["src/server/demo/k.ts", "src/server/errors.ts"],
  ["src/server/elsewhere.ts", "src/shared/errors.ts"],
])("%s may not import %s", (path, target) => {
  expect(forbidden(path, target)).not.toBeNull();
});

test.each([
  ["src/server/features/work/agents/i.ts", "src/server/features/organization/members/index.ts"],
  ["src/server/features/index.ts", "src/server/features/organization/members/feature.ts"],
  ["src/server/features/services.ts", "src/server/features/organization/members/index.ts"],
  ["src/server/app.ts", "src/server/features/index.ts"],
  ["src/server/http/g.ts", "fastify"],
  ["src/server/pages/g.ts", "@fastify/static"],
  ["src/server/metrics/telemetry.ts", "fastify"],
  ["src/server/features/work/agents/i.ts", "src/git/store/refs.ts"],
  ["src/server/features/work/agents/i.ts", "src/shared/api/work/agents.ts"],
  ["src/server/features/work/agents/i.test.ts", "test/support/server/app.ts"],
  ["src/git/process/run.ts", "node:child_process"],
  ["src/web/features/work/agents/c.tsx", "src/web/components/query-error.tsx"],
  ["src/web/features/work/agents/c.tsx", "src/web/features/work/parts/agents/agent-link.tsx"],
  ["src/web/features/code/projects/c.tsx", "src/web/features/work/parts/agents/agent-link.tsx"],
  ["src/web/features/work/parts/d.tsx", "src/web/features/code/parts/diffs/sections.ts"],
  ["src/web/features/work/agents/c.tsx", "src/shared/permissions.ts"],
])("%s may import %s", (path, target) => {
  expect(forbidden(path, target)).toBeNull();
});

test("pages may import types of schemas", () => {
  expect(
    forbidden("src/web/features/work/agents/c.tsx", "src/shared/api/work/agents.ts", true),
  ).toBeNull();
});

test("finds imports in every syntax", () => {
  const text = [
    'import "./a.js";',
    'import type { B } from "./b.js";',
    'import { type C } from "./c.js";',
    'import {\n  d,\n  type E,\n} from "./d.js";',
    'export * from "./f.js";',
    'const g = () => import("./g.js");',
  ].join("\n");
  expect(importsOf(text)).toEqual([
    { specifier: "./a.js", isType: false, isLazy: false },
    { specifier: "./b.js", isType: true, isLazy: false },
    { specifier: "./c.js", isType: true, isLazy: false },
    { specifier: "./d.js", isType: false, isLazy: false },
    { specifier: "./f.js", isType: false, isLazy: false },
    { specifier: "./g.js", isType: false, isLazy: true },
  ]);
});

test("finds cycles, including a file that imports itself", () => {
  const graph = new Map([
    ["a", new Set(["b"])],
    ["b", new Set(["c"])],
    ["c", new Set(["a", "d"])],
    ["d", new Set(["d"])],
    ["e", new Set(["a"])],
  ]);
  expect(circlesOf(graph).map((circle) => circle.toSorted())).toEqual([["d"], ["a", "b", "c"]]);
});

test("finds circles of folders, and exceptions that shrank", () => {
  const circles = (imports: readonly [string, string][], ...known: [string, string, number][]) => {
    const files = new Set(imports.flat());
    const targetsOf = (file: string) =>
      imports.filter(([from]) => from === file).map(([, to]) => to);
    const graph = new Map([...files].map((file) => [file, new Set(targetsOf(file))]));
    const exceptions = known.map(([from, to, count]) => ({ from, to, count }));
    return folderCircles(graph, circlesOf, exceptions);
  };
  // A folder's own files and its subfolders may import each other.
  expect(
    circles([
      ["src/a/x.ts", "src/a/b/y.ts"],
      ["src/a/b/z.ts", "src/a/x.ts"],
    ]),
  ).toEqual([]);
  const mutual = [
    ["src/a/b/x.ts", "src/a/c/x.ts"],
    ["src/a/c/d/y.ts", "src/a/b/y.ts"],
  ] as const satisfies [string, string][];
  expect(circles(mutual)).toEqual(["circle of folders: src/a/b ↔ src/a/c"]);
  expect(circles(mutual, ["src/a/c", "src/a/b", 1])).toEqual([]);
  expect(circles(mutual, ["src/a/c", "src/a/b", 2])).toHaveLength(1);
  expect(
    circles([...mutual, ["src/a/c/z.ts", "src/a/b/y.ts"]], ["src/a/c", "src/a/b", 1]),
  ).toHaveLength(1);
  expect(circles(mutual.slice(1), ["src/a/c", "src/a/b", 1])).toHaveLength(1);
  // Features are compared with features, not neighborhoods.
  const features = "src/server/features";
  expect(
    circles([
      [`${features}/code/projects/x.ts`, `${features}/work/tasks/index.ts`],
      [`${features}/work/agents/x.ts`, `${features}/code/projects/index.ts`],
    ]),
  ).toEqual([]);
});

test("every call declares its access, and its tenant if a permission needs one", () => {
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

test("only one module of the server reads settings", async () => {
  const files = await readdir(join(root, "src/server"), { recursive: true, withFileTypes: true });
  const readers: string[] = [];
  for (const entry of files) {
    if (!entry.isFile() || !entry.name.endsWith(".ts") || entry.name.endsWith(".test.ts")) continue;
    const file = join(entry.parentPath, entry.name);
    if ((await readFile(file, "utf8")).includes("process.env")) readers.push(relative(root, file));
  }
  // Variables for other programs (PATH, KUBECONFIG and the like) are not settings of Omoi, nor is the demo's shop part of it.
  const settings = readers.filter(
    (file) =>
      !/\/(?:db\/embedded\/(?:binaries|cluster)|open-cluster-api|demo\/shop\/files)\.ts$/.test(
        file,
      ),
  );
  expect(settings).toEqual(["src/server/config/config.ts"]);
});
