import { expect, test } from "vitest";
import type { AttentionItem } from "#shared/api/work/overview.js";
import { checkingReason } from "../../../access/deny-reason.js";
import { actionReasons } from "./action-reasons.js";

const task = (kind: string): AttentionItem => ({ type: "task", kind }) as AttentionItem;

test("a row says once why its actions are refused", () => {
  expect(actionReasons(task("question"), () => undefined)).toEqual([]);
  expect(actionReasons(task("review"), () => "Not you.")).toEqual([]);
  expect(actionReasons(task("budget"), () => "Not you.")).toEqual(["Not you."]);
  expect(actionReasons(task("missing_key"), (permission) => permission)).toEqual([
    "org:secrets:write",
    "project:task:write",
  ]);
  expect(actionReasons(task("failed"), () => checkingReason)).toEqual([]);
});
