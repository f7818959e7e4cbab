import { describe, expect, test } from "vitest";
import { mergeRequestStatuses } from "../api/code/merge-requests.js";
import { sessionStatuses } from "../api/work/sessions.js";
import { auditActionNames } from "../organization/audit.js";
import {
  describeEvent,
  eventNames,
  isEventPattern,
  matchesEvent,
  permissionOfEvent,
  permissionsOfPatterns,
} from "./event-types.js";
import { permissionNames } from "../permissions.js";
import { runStatuses } from "../execution/run-choices.js";

describe("event types", () => {
  test("cover each state of runs, sessions and merge requests, and each audit action", () => {
    for (const name of [
      ...runStatuses.map((status) => `run.${status === "running" ? "started" : status}`),
      ...sessionStatuses
        .filter((status) => status !== "working")
        .map((status) => `session.${status === "starting" ? "started" : status}`),
      ...mergeRequestStatuses
        .filter((status) => status !== "checking")
        .map((status) => `merge_request.${status === "queued" ? "created" : status}`),
      ...auditActionNames,
    ]) {
      expect(eventNames).toContain(name);
    }
    expect(new Set(eventNames).size).toBe(eventNames.length);
  });

  test("have a permission and a description", () => {
    for (const name of eventNames) {
      expect(permissionNames, name).toContain(permissionOfEvent(name));
      expect(describeEvent(name)).toMatch(/^[A-Z].*[^.]$/);
    }
  });

  test.each([
    ["*", true],
    ["run.*", true],
    ["run.failed", true],
    ["merge_request.approved", true],
    ["run", false],
    ["run.*.*", false],
    ["*.failed", false],
    ["webhook.test", false],
    ["", false],
  ])("%s is a pattern: %s", (pattern, isPattern) => {
    expect(isEventPattern(pattern)).toBe(isPattern);
  });

  test("are covered by patterns of their own subject", () => {
    expect(matchesEvent("merge.*", "merge.created")).toBe(true);
    expect(matchesEvent("merge.*", "merge_request.created")).toBe(false);
    expect(permissionsOfPatterns(["run.failed", "agent.*"])).toEqual(["agent:read"]);
    expect(new Set(permissionsOfPatterns(["*"])).size).toBe(13);
  });
});
