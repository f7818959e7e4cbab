import { expect, test } from "vitest";
import { parseBackupName, type BackupName } from "#server/backup/repository/repository.js";
import { choose, isInRepository } from "./backup-source.js";

const names = (...list: string[]): BackupName[] =>
  list.map((name) => parseBackupName(name)).filter((name) => name !== null);
const first = "20261129T020000.000Z-0a0b0c0d";
const second = "20261130T020000.000Z-0a0b0c0d";
const other = "20261130T030000.000Z-ffffffff";

test.for([
  ["latest", second],
  [first, first],
  ["2026-11-30T02:00Z", second],
  ["2026-11-30T01:59:59.999Z", first],
] as const)("%s chooses %s", ([text, expected]) => {
  expect(choose(names(first, second), text).name).toBe(expected);
});

test("a time before all backups, and an unknown name, are refused", () => {
  for (const text of ["2026-01-01T00:00Z", other]) {
    expect(() => choose(names(first, second), text)).toThrow(`There is no backup ${text}`);
  }
});

test("of several servers, a backup is chosen by its name alone", () => {
  const all = names(first, second, other);
  expect(choose(all, second).name).toBe(second);
  for (const text of ["latest", "2026-11-30T04:00Z"]) {
    expect(() => choose(all, text)).toThrow("several servers");
  }
});

test("folders and buckets are no names", () => {
  for (const text of ["/backups/2026-11-30", "2026-11-30", "./latest", "s3://bucket/latest"]) {
    expect(isInRepository(text)).toBe(false);
  }
});
