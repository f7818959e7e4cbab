import { expect, test } from "vitest";
import { compareNotebooks } from "./notebook.js";

const notebook = (cells: object[], extension = ".py"): string =>
  JSON.stringify({
    nbformat: 4,
    metadata: { language_info: { file_extension: extension } },
    cells,
  });
const code = (source: string | string[], outputs: object[] = [], more: object = {}) => ({
  cell_type: "code",
  source,
  outputs,
  ...more,
});
const stream = (text: string) => ({ output_type: "stream", text: [text] });

test("cells are paired by their ids, or by their place", () => {
  const found = compareNotebooks(
    notebook([code("a = 1\n", [stream("1\n")], { id: "a" }), code("gone", [], { id: "b" })]),
    notebook([
      { cell_type: "markdown", source: ["# Title\n", "Text"], id: "c" },
      code(["a = 2\n"], [stream("2\n")], { id: "a" }),
    ]),
  );
  expect(found?.cells).toMatchObject([
    { before: null, after: { kind: "markdown", source: "# Title\nText" }, number: 1 },
    { before: { source: "a = 1\n", outputs: "1\n" }, after: { source: "a = 2\n" }, number: 2 },
    { before: { source: "gone" }, after: null, number: 2 },
  ]);
  const byPlace = compareNotebooks(
    notebook([code("same"), code("old")]),
    notebook([code("same"), code("new")]),
  );
  expect(byPlace?.cells).toMatchObject([
    { before: { source: "same" }, after: { source: "same" } },
    { before: { source: "old" }, after: { source: "new" } },
  ]);
});

test("outputs are text, with the types of other media", () => {
  const data = { "text/plain": "<Figure>", "image/png": "aGk=" };
  const error = { output_type: "error", ename: "ValueError", evalue: "no" };
  const found = compareNotebooks(
    null,
    notebook([code("plot()", [{ output_type: "display_data", data }, error])], ".jl"),
  );
  expect(found).toMatchObject({
    extension: ".jl",
    cells: [{ before: null, after: { outputs: "<Figure>\n[image/png]\nValueError: no" } }],
  });
});

test("other files are no notebooks, and broken cells do no harm", () => {
  for (const text of ["", "{", "[]", "null", '{"cells": 1}', "x".repeat(9_000_000)])
    expect(compareNotebooks(text, notebook([]))).toBeNull();
  expect(
    compareNotebooks(null, notebook([null as unknown as object, { source: 7 }]))?.cells,
  ).toMatchObject([
    { after: { kind: "code", source: "", outputs: "" } },
    { after: { source: "" } },
  ]);
  expect(compareNotebooks(null, notebook([], "../../etc"))?.extension).toBe(".py");
});
