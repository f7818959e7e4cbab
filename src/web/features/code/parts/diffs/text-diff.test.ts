import { expect, test } from "vitest";
import { patchOf, replacementPatch } from "./text-diff.js";

test("texts are compared as by git", () => {
  expect(patchOf("a\nb\n", "a\nc")).toBe(
    "--- a\n+++ b\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n\\ No newline at end of file\n",
  );
  expect(patchOf("", "a\n")).toBe("--- a\n+++ b\n@@ -0,0 +1,1 @@\n+a\n");
  expect(patchOf("a\n", "a\n")).toBe("");
});

test("line endings are ignored", () => {
  expect(patchOf("a\r\nb\r\n", "a\nb\n")).toBe("");
});

test("after the time limit both texts are shown in full", () => {
  const long = (word: string): string =>
    Array.from({ length: 60_000 }, (_, at) => `${word} ${(at * 7919) % 60_013}`).join("\n");
  const [before, after] = [long("old"), long("new")];
  const patch = patchOf(before, after);
  expect(patch.split("\n").filter((line) => line.startsWith("-old")).length).toBe(60_000);
  expect(patch.split("\n").filter((line) => line.startsWith("+new")).length).toBe(60_000);
  expect(replacementPatch("a\nb", "c\n")).toBe(
    "--- a\n+++ b\n@@ -1,2 +1,1 @@\n-a\n-b\n\\ No newline at end of file\n+c\n",
  );
});
