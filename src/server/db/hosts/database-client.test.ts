import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

const server = join(import.meta.dirname, "../..");

/** The embedded PostgreSQL has one server; the question to each server precedes the choice. */
const exceptions = ["db/embedded/", "db/hosts/"];

test("every connection of the server's code is one that follows a failover", async () => {
  const names = await readdir(server, { recursive: true });
  const sources = names.filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  expect(sources).toContain("db/connection/connect.ts");
  const found: string[] = [];
  for (const name of sources) {
    if (exceptions.some((folder) => name.startsWith(folder))) continue;
    const text = await readFile(join(server, name), "utf8");
    if (/(?:new|class \w+ extends) pg\.(?:Client|Pool)\b/.test(text)) found.push(name);
  }
  expect(found).toEqual([]);
});
