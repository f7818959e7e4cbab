import { expect, test } from "vitest";
import { pollIntervals, REQUESTS_PER_HOUR } from "./poll-intervals.js";

test.each([
  ["github", 1, 0],
  ["github", 33, 33],
  ["github", 200, 10],
  ["github", 1000, 0],
  ["github", 1000, 16],
  ["github", 1000, 1000],
  ["gitlab", 1000, 10],
] as const)(
  "%s with %i repositories, %i of them active, stays within its requests",
  (kind, all, active) => {
    const { active: soon, idle } = pollIntervals(kind, { repositories: all, active });
    const requests = (active * 3600) / soon + ((all - active) * 3600) / idle;
    expect(requests).toBeLessThanOrEqual(REQUESTS_PER_HOUR[kind]);
    expect(soon).toBeGreaterThanOrEqual(30);
    expect(soon).toBeLessThanOrEqual(Math.max(idle, 1800));
  },
);

test("few repositories are asked every 30 s, and 1 000 of GitHub every 15 minutes", () => {
  expect(pollIntervals("github", { repositories: 33, active: 3 })).toEqual({
    active: 30,
    idle: 30,
  });
  expect(pollIntervals("github", { repositories: 1000, active: 0 }).idle).toBe(900);
});
