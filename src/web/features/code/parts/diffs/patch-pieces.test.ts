import { expect, test } from "vitest";
import { heightOf, piecesOf } from "./patch-pieces.js";

const header = "diff --git a/f b/f\n--- a/f\n+++ b/f\n";

test("a short patch is one piece", () => {
  const patch = `${header}@@ -1,2 +1,2 @@ head\n a\n-b\n+c\n@@ -9 +9 @@\n-x\n+y\n\\ No newline at end of file\n`;
  expect(piecesOf(patch)).toEqual([
    `${header}@@ -1,2 +1,2 @@ head\n a\n-b\n+c\n@@ -9,1 +9,1 @@\n-x\n+y\n\\ No newline at end of file\n`,
  ]);
});

test("a long hunk is split with continuous line numbers", () => {
  const added = Array.from({ length: 1000 }, (_, index) => `+line ${index + 1}`);
  const pieces = piecesOf(`${header}@@ -0,0 +1,1000 @@\n${added.join("\n")}\n`, 400);
  expect(pieces.map((piece) => /^@@.*$/m.exec(piece)?.[0])).toEqual([
    "@@ -0,0 +1,400 @@",
    "@@ -0,0 +401,400 @@",
    "@@ -0,0 +801,200 @@",
  ]);
  const lines = pieces.flatMap((piece) =>
    piece.split("\n").filter((line) => line.startsWith("+line")),
  );
  expect(lines).toEqual(added);
});

test("lines of both sides are counted, and a missing newline stays with its line", () => {
  const body = " a\n-b\n+c\n-d\n\\ No newline at end of file\n+e\n f\n";
  const pieces = piecesOf(`${header}@@ -5,4 +7,4 @@\n${body}`, 4);
  expect(pieces).toEqual([
    `${header}@@ -5,3 +7,2 @@\n a\n-b\n+c\n-d\n\\ No newline at end of file\n`,
    `${header}@@ -8,1 +9,2 @@\n+e\n f\n`,
  ]);
});

test("short hunks share a piece until it is full", () => {
  const hunk = (at: number): string => `@@ -${at},1 +${at},1 @@\n-a\n+b\n`;
  const patch = header + [1, 10, 20, 30].map(hunk).join("");
  expect(piecesOf(patch, 6)).toEqual([header + hunk(1) + hunk(10), header + hunk(20) + hunk(30)]);
});

test("after enough lines a hunk is split, but not between removed lines and those that replace them", () => {
  const changed = (sign: string) =>
    Array.from({ length: 4 }, (_, index) => `${sign}${index}\n`).join("");
  const body = `${changed(" ")}${changed("-")}${changed("+")}${changed(" ")}${changed("+")}`;
  const pieces = piecesOf(`${header}@@ -1,12 +1,16 @@\n${body}`, 400, 3);
  const signs = pieces.map((piece) =>
    piece
      .slice(header.length)
      .split("\n")
      .map((line) => (line.startsWith("@@") ? "" : line.slice(0, 1)))
      .join(""),
  );
  expect(signs).toEqual(["   ", " ----++++", "   ", " ++", "++"]);
});

test("headers alone give no piece", () => {
  expect(piecesOf("diff --git a/f b/g\nsimilarity index 100%\n")).toEqual([]);
});

test("the height is the sum of the rows; in split mode changes share rows", () => {
  const patch = `${header}@@ -1,2 +1,3 @@\n a\n-b\n\\ No newline at end of file\n+c\n+d\n@@ -9 +9 @@\n-x\n`;
  expect(heightOf(patch, "unified")).toBeCloseTo(2 * 28 + 5 * 19.2);
  expect(heightOf(patch, "split")).toBeCloseTo(2 * 28 + 4 * 19.2);
});
