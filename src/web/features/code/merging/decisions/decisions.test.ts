import { expect, test } from "vitest";
import {
  choicesFor,
  completeChoice,
  type Conflict,
  isDecisions,
  nextOpen,
  openConflicts,
  outdated,
  signatureOf,
  textWithMarkers,
  withoutDecision,
  withoutOutdated,
} from "./decisions.js";

const conflict = (path: string, source: string, target: string): Conflict => ({
  paths: [path],
  kind: "modify/modify",
  source: [{ path, mode: "100644", oid: source, text: source, omitted: null }],
  target: [{ path, mode: "100644", oid: target, text: target, omitted: null }],
  merged: null,
  source_time: null,
  target_time: null,
  decision: null,
  regenerated_by: null,
});
const took = (decided: Conflict) => ({
  [signatureOf(decided)]: {
    choice: { path: decided.paths[0] as string, take: "source" as const },
    paths: decided.paths,
  },
});

test("decisions apply while both versions are unchanged, and are reported as outdated otherwise", () => {
  const [f, g, h] = [conflict("f", "1", "2"), conflict("g", "3", "4"), conflict("h", "5", "6")];
  const decisions = { ...took(f), ...took(g) };
  expect(choicesFor([h, g, f], decisions)).toEqual([
    { path: "g", take: "source" },
    { path: "f", take: "source" },
  ]);
  expect(outdated([f, g, h], decisions)).toEqual([]);

  const changed = conflict("g", "3", "7");
  expect(choicesFor([f, changed], decisions)).toEqual([{ path: "f", take: "source" }]);
  expect(outdated([f, changed], decisions).map(({ paths }) => paths)).toEqual([["g"]]);
  expect(withoutOutdated([f, changed], decisions)).toEqual(took(f));
});

test("a conflict's signature depends on paths, kinds and modes, not on times or winners", () => {
  const original = conflict("f", "1", "2");
  expect(signatureOf({ ...original, source_time: "2026-01-01T00:00:00Z" })).toBe(
    signatureOf(original),
  );
  expect(signatureOf({ ...original, kind: "add/add" })).not.toBe(signatureOf(original));
  const [version] = original.source;
  const executable = { ...original, source: [{ ...version!, mode: "100755" }] };
  expect(signatureOf(executable)).not.toBe(signatureOf(original));
});

test("stored decisions are validated", () => {
  expect(isDecisions(took(conflict("f", "1", "2")))).toBe(true);
  for (const stored of [null, "x", 1, { a: null }, { a: { choice: "source" } }]) {
    expect(isDecisions(stored)).toBe(false);
  }
});

test("the next unresolved conflict comes after the current one and wraps around", () => {
  const all = ["f", "g", "h"].map((path) => conflict(path, "1", "2"));
  const [f, g, h] = all as [Conflict, Conflict, Conflict];
  expect(nextOpen(all, {}, -1)).toBe(0);
  expect(nextOpen(all, took(g), 0)).toBe(2);
  expect(nextOpen(all, took(h), 1)).toBe(0);
  expect(nextOpen(all, { ...took(f), ...took(g), ...took(h) }, 0)).toBe(-1);
});

test("a choice by hunks is complete once each hunk is decided", () => {
  const undecided = conflict("f", "1", "2");
  const by = (hunks: ("source" | "both" | null)[]) => ({
    [signatureOf(undecided)]: { choice: { path: "f", hunks }, paths: undecided.paths },
  });
  expect(choicesFor([undecided], by(["source", null]))).toEqual([]);
  expect(nextOpen([undecided], by(["source", null]), -1)).toBe(0);
  expect(choicesFor([undecided], by(["source", "both"]))).toEqual([
    { path: "f", hunks: [{ take: "source" }, { take: "both" }] },
  ]);
  expect(nextOpen([undecided], by(["source", "both"]), -1)).toBe(-1);
});

test("the text to edit has markers around open hunks, and is incomplete until they are gone", () => {
  const merged = {
    path: "f",
    segments: [{ text: "a\n" }, { target: "t\n", source: "s\n" }, { target: "u", source: "v" }],
  };
  const content = textWithMarkers(merged, [null, "both"]);
  expect(content).toBe("a\n<<<<<<< target\nt\n=======\ns\n>>>>>>> source\nu\nv");
  expect(completeChoice({ path: "f", content })).toBeNull();
  const edited = { path: "f", content: "a\nt\ns\nu\nv" };
  expect(completeChoice(edited)).toEqual(edited);
});

test("a file that a command regenerates needs no decision, unless one was begun", () => {
  const f = { ...conflict("f", "1", "2"), regenerated_by: ["npm", "install"] };
  const g = conflict("g", "3", "4");
  expect(openConflicts([f, g], {})).toEqual([g]);
  expect(nextOpen([f, g], {}, -1)).toBe(1);
  expect(openConflicts([f, g], { ...took(f), ...took(g) })).toEqual([]);
  const begun = { [signatureOf(f)]: { choice: { path: "f", hunks: [null] }, paths: ["f"] } };
  expect(openConflicts([f], begun)).toEqual([f]);
  expect(openConflicts([f], withoutDecision(f, begun))).toEqual([]);
  expect(withoutDecision(f, took(g))).toEqual(took(g));
});
