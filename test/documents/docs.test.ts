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

test("package.json, the chart and the changelog name the same version", async () => {
  const read = (path: string) => readFile(join(root, path), "utf8");
  const { version } = JSON.parse(await read("package.json")) as { version: string };
  const [, newest, state] = /^## (\S+) — (.+)$/m.exec(await read("CHANGELOG.md")) ?? [];
  expect(state === "unreleased" ? `${newest}-dev` : newest).toBe(version);
  const chart = await read("deploy/helm/omoi/Chart.yaml");
  expect(/^appVersion: "(.+)"$/m.exec(chart)?.[1]).toBe(version);
});
