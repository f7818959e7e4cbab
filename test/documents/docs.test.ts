import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");

test("every statement of docs/security.md names an existing test", async () => {
  const text = await readFile(join(root, "docs/security.md"), "utf8");
  const rows = text.split("\n").filter((line) => line.startsWith("| ") && line.endsWith(" |"));
  const statements = rows.filter((line) => /^\| [A-Z]/.test(line));
  expect(statements.length).toBeGreaterThan(20);
  for (const statement of statements) {
    const [, path] = /\| `([^`]+\.test\.ts)`\s+\|$/.exec(statement) ?? [];
    expect([statement, path !== undefined && existsSync(join(root, path))]).toEqual([
      statement,
      true,
    ]);
  }
});
