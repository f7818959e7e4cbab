import { expect, test } from "vitest";
import type { AttentionItem } from "#shared/api/work/overview.js";
import { follow, freshOf, rowsOf, settle } from "./settled-items.js";

const item = (key: string, rest: object = {}) =>
  ({ key, type: "failed_run", project_id: "p", ...rest }) as unknown as AttentionItem;
const items = (text: string) => text.split("").map((key) => item(key));
const never = () => false;
const shown = (state: ReturnType<typeof settle>) =>
  rowsOf(state)
    .map(({ row, isGone }) => (isGone ? `(${row})` : row))
    .join("");
const fresh = (state: ReturnType<typeof settle>) =>
  freshOf(state)
    .map(({ key }) => key)
    .join("");

test("rows keep their order, and new ones wait", () => {
  const state = follow(settle(items("abc")), items("xcba"), never);
  expect([shown(state), fresh(state)]).toEqual(["abc", "x"]);
  expect(shown(settle(state.items))).toBe("xcba");
});

test("an item that returns has its old place", () => {
  const without = follow(settle(items("abc")), items("ac"), never);
  expect(shown(without)).toBe("ac");
  const again = follow(without, items("bac"), never);
  expect([shown(again), fresh(again)]).toEqual(["abc", ""]);
});

test("a row under the pointer stays until it is dropped", () => {
  const state = follow(settle(items("abc")), items("ac"), () => true);
  expect(shown(state)).toBe("a(b)c");
  expect(shown(follow(state, items("cax"), () => true))).toBe("a(b)c");
  expect(shown(follow(state, state.items, never))).toBe("ac");
});

test("a list without rows shows new items at once", () => {
  const empty = follow(settle(items("a")), [], never);
  expect(shown(follow(empty, items("bc"), never))).toBe("bc");
});

test("a conflict keeps its row when another agent joins", () => {
  const conflict = (key: string) => item(key, { type: "conflict", path: "README.md" });
  const state = follow(settle([conflict("one"), item("a")]), [item("a"), conflict("two")], never);
  expect(rowsOf(state).map((row) => row.item.key)).toEqual(["two", "a"]);
  expect(fresh(state)).toBe("");
});
