import { expect, test } from "vitest";
import type { FileVersion } from "#shared/api/code/merges.js";
import { isEditable, lineEndOf, pairVersions, withLineEnds } from "./versions.js";

const at = (path: string, mode = "100644"): FileVersion => ({
  path,
  mode,
  oid: path,
  text: "text\n",
  omitted: null,
});
const drawn = (target: string[], source: string[]): string[] =>
  pairVersions(
    target.map((path) => at(path)),
    source.map((path) => at(path)),
  ).map((pair) => `${pair.target?.path ?? "-"} | ${pair.source?.path ?? "-"}`);

test("versions are paired by path, and a renamed file with itself", () => {
  expect(drawn(["f"], ["f"])).toEqual(["f | f"]);
  expect(drawn(["t"], ["s"])).toEqual(["t | s"]);
  expect(drawn(["f", "t"], ["s", "f"])).toEqual(["f | f", "t | s"]);
  expect(drawn(["d/a", "d/b"], ["d"])).toEqual(["d/a | -", "d/b | -", "- | d"]);
  expect(drawn(["f"], [])).toEqual(["f | -"]);
  expect(drawn([], ["f"])).toEqual(["- | f"]);
});

test("only text of regular files can be edited", () => {
  expect(isEditable(at("f", "100755"))).toBe(true);
  expect(isEditable(at("f", "120000"))).toBe(false);
  expect(isEditable({ ...at("f"), text: null, omitted: "binary" })).toBe(false);
});

test("line endings are restored", () => {
  expect(lineEndOf("a\r\nb\r\nc\n")).toBe("\r\n");
  expect(lineEndOf("a\nb\r\nc\n")).toBe("\n");
  expect(lineEndOf("")).toBe("\n");
  expect(withLineEnds("a\nb", "\r\n")).toBe("a\r\nb");
  expect(withLineEnds("a\nb", "\n")).toBe("a\nb");
});
