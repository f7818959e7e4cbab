import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ServerHistory, type ServerState } from "./server-history.js";

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "omoi-history-"));
  file = join(folder, "database-timeline.json");
});
afterEach(() => rm(folder, { recursive: true }));

const primary = (timeline: number | null, system: string | null = "7"): ServerState => ({
  refusal: null,
  system,
  timeline,
});

test("a primary of an earlier timeline is refused, also after a restart", () => {
  const history = new ServerHistory(file);
  history.accept(primary(2));
  expect(history.refusalOf(primary(1))).toBe(
    "is a replaced primary: its timeline is 1, and 2 exists",
  );
  expect(history.refusalOf(primary(2))).toBeNull();
  expect(history.refusalOf(primary(3))).toBeNull();
  const restarted = new ServerHistory(file);
  expect(restarted.timeline).toBeNull();
  expect(restarted.refusalOf(primary(1))).toContain(file);
  expect(restarted.refusalOf(primary(2))).toBeNull();
});

test("another database is accepted at a start, and not later", async () => {
  new ServerHistory(file).accept(primary(5, "7"));
  const history = new ServerHistory(file);
  expect(history.refusalOf(primary(1, "8"))).toBeNull();
  history.accept(primary(1, "8"));
  expect(history.refusalOf(primary(9, "7"))).toContain("another database cluster");
  expect(new ServerHistory(file).refusalOf(primary(1, "8"))).toBeNull();
  expect(await readdir(folder)).toEqual(["database-timeline.json"]);
});

test("a server that does not tell its timeline is accepted", () => {
  const history = new ServerHistory(file);
  history.accept(primary(2));
  history.accept(primary(null, null));
  expect(history.refusalOf(primary(null, null))).toBeNull();
  expect(history.timeline).toBe(2);
});

test("a newer primary breaks the connections to earlier ones", () => {
  const history = new ServerHistory();
  const broken: number[] = [];
  const open = (timeline: number): void => {
    const client = { once: () => {} } as unknown as pg.Client;
    history.add({ client, timeline, destroy: () => broken.push(timeline) });
  };
  history.accept(primary(1));
  open(1);
  history.accept(primary(2));
  open(2);
  expect(broken).toEqual([1]);
  history.accept(primary(2));
  expect(broken).toEqual([1]);
});

test("a damaged file is reported by name", async () => {
  await writeFile(file, "{");
  expect(() => new ServerHistory(file)).toThrow(/database-timeline.json is not readable/);
});
