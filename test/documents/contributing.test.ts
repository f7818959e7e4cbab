import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { getTableColumns } from "drizzle-orm";
import { expect, test } from "vitest";
import { project, projects as api } from "#shared/api/code/projects.js";
import { projects } from "#server/db/tables/tables.js";
import { projectColumns } from "#server/features/code/projects/projects.queries.js";
import { auditedFields } from "#server/features/code/projects/projects.js";

const root = join(import.meta.dirname, "../..");

test("a field of projects needs at most six files, which exist", async () => {
  const text = await readFile(join(root, "CONTRIBUTING.md"), "utf8");
  const [, section = ""] = /^### Add a field to projects\n(.*?)^### /ms.exec(text) ?? [];
  const files = Array.from(section.matchAll(/^\d\. `([^`]+)`/gm), ([, path = ""]) => path);
  expect(files.length).toBeGreaterThan(3);
  expect(files.length).toBeLessThanOrEqual(6);
  for (const path of files) {
    const existing = path.replace("NNNN_name", "0074_maintenance");
    expect([path, existsSync(join(root, existing))]).toEqual([path, true]);
  }
});

test("the declaration and the column of a project's field are all that the server needs", () => {
  const columns = Object.keys(getTableColumns(projects));
  const changeable: string[] = api.update.body.keyof().options;
  expect(columns).toEqual(expect.arrayContaining(changeable));
  expect(auditedFields).toEqual(changeable.filter((field) => field !== "merge_drivers"));
  const shown = columns.filter((name) => name in project.shape);
  expect(Object.keys(projectColumns)).toEqual(expect.arrayContaining(shown));
  // Columns without a declaration stay inside.
  expect(Object.keys(projectColumns)).not.toContain("home_node");
  expect(Object.keys(projectColumns)).not.toContain("deleted_at");
});
