import { describe, expect, test } from "vitest";
import { type Sorting, viewOf } from "./list-view.js";

interface Row {
  name: string;
  used: number | null;
}

const rows: Row[] = [
  { name: "worker-10", used: 3 },
  { name: "Worker-2", used: null },
  { name: "planner", used: 10 },
];
const sortings: readonly Sorting<Row>[] = [
  { key: "name", label: "Name", by: ({ name }) => name },
  { key: "used", label: "Used", by: ({ used }) => used },
];
const names = (state: { q?: string; sort?: string; page?: number }, pageSize = 10): string[] =>
  viewOf(
    rows,
    { q: "", sort: "", page: 1, ...state },
    { sortings, textOf: ({ name }) => name, pageSize },
  ).pageRows.map(({ name }) => name);

describe("a list's view", () => {
  test("keeps the default order without a sort key or with an unknown one", () => {
    expect(names({})).toEqual(["worker-10", "Worker-2", "planner"]);
    expect(names({ sort: "color" })).toEqual(["worker-10", "Worker-2", "planner"]);
  });

  test("sorts numerically in both directions, with missing values last", () => {
    expect(names({ sort: "name" })).toEqual(["planner", "Worker-2", "worker-10"]);
    expect(names({ sort: "used" })).toEqual(["worker-10", "planner", "Worker-2"]);
    expect(names({ sort: "-used" })).toEqual(["planner", "worker-10", "Worker-2"]);
  });

  test("matches all words, ignoring case", () => {
    expect(names({ q: " WORKER 2 " })).toEqual(["Worker-2"]);
    expect(names({ q: "worker x" })).toEqual([]);
  });

  test("is paginated; a page beyond the last one is the last one", () => {
    expect(names({ page: 2 }, 2)).toEqual(["planner"]);
    expect(names({ page: 99 }, 2)).toEqual(["planner"]);
    expect(names({ page: -1 }, 2)).toEqual(["worker-10", "Worker-2"]);
  });
});
