import fc from "fast-check";
import { expect, test } from "vitest";
import type { SessionEvent } from "#shared/api/work/sessions.js";
import { rounds } from "#test/support/thorough.js";
import { createTranscript, keptEntries, longestText, textOf } from "./entries.js";

const at = "2026-01-01T00:00:00.000Z";
const by = { type: "user" as const, id: "u", name: "Ada" };

function entriesOf(events: readonly SessionEvent[]) {
  const transcript = createTranscript();
  for (const event of events) transcript.append(event);
  return transcript;
}

test("pieces of a text are joined, and tools and answers change their entry", () => {
  const { entries, plan, prompts } = entriesOf([
    { type: "prompt", at, text: "go", by },
    { type: "message", at, text: "a" },
    { type: "message", at, text: "b" },
    { type: "plan", at, entries: [{ content: "one", status: "pending" }] },
    { type: "message", at, text: "c" },
    { type: "tool_call", at, tool_call_id: "t", title: "Edit", status: "pending" },
    {
      type: "permission_request",
      at,
      request_id: "r",
      tool_call_id: "t",
      title: "Edit",
      options: [{ option_id: "y", name: "Yes", kind: "allow_once" }],
    },
    { type: "permission_answer", at, request_id: "r", option_id: "y", by },
    { type: "tool_call", at, tool_call_id: "t", status: "completed" },
    { type: "turn_end", at, stop_reason: "end_turn" },
    { type: "turn_end", at, stop_reason: "cancelled" },
    { type: "status", at, status: "failed", detail: "It broke." },
  ]);
  expect(entries.map((entry) => [entry.type, textOf(entry)])).toEqual([
    ["prompt", "go"],
    ["message", "abc"],
    ["tool", "Edit"],
    ["permission", "Edit"],
    ["note", "The turn was canceled."],
    ["note", "It broke."],
  ]);
  expect(entries[2]).toMatchObject({ status: "completed", title: "Edit" });
  expect(entries[3]).toMatchObject({ answer: { option: "allow_once", by: "Ada" } });
  expect(plan).toEqual([{ content: "one", status: "pending" }]);
  expect(prompts.get("go")).toBe(1);
});

test("a long transcript drops its oldest entries, and later changes find the others", () => {
  const tool = (nth: number, status: string): SessionEvent => ({
    type: "tool_call",
    at,
    tool_call_id: String(nth),
    status,
  });
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: keptEntries + 1200 }), { maxLength: 50 }),
      (changed) => {
        const all = Array.from({ length: keptEntries + 1201 }, (_, nth) => tool(nth, "pending"));
        const { entries, dropped } = entriesOf([...all, ...changed.map((nth) => tool(nth, "x"))]);
        expect(entries.length).toBeLessThanOrEqual(keptEntries);
        const shown = new Set(entries.flatMap((one) => (one.type === "tool" ? one.id : [])));
        expect(shown.has(String(keptEntries + 1200))).toBe(true);
        expect(dropped).toBeGreaterThan(0);
        for (const entry of entries) {
          if (entry.type !== "tool") continue;
          expect(entry.status).toBe(changed.includes(Number(entry.id)) ? "x" : "pending");
        }
      },
    ),
    { numRuns: rounds({ thorough: 20, else: 6 }) },
  );
});

test("a text that does not end continues in another entry", () => {
  const piece = "x".repeat(16 * 1024);
  const events = Array.from({ length: 20 }, () => ({ type: "thought" as const, at, text: piece }));
  const { entries } = entriesOf(events);
  expect(entries.length).toBeGreaterThan(2);
  for (const entry of entries) {
    expect(textOf(entry).length).toBeLessThanOrEqual(longestText + piece.length);
  }
  expect(entries.map(textOf).join("")).toHaveLength(20 * piece.length);
});
