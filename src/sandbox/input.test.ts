import { expect, test } from "vitest";
import { whyNotHeld } from "./input.js";
import type { LimitName } from "./sandbox.js";

const held = { enforced: true, by: "a test" };
const all = { memory: held, processes: held, cpu: held, output: held, disk: held };
const asked = { network: "none", limits: { cpus: 1, diskBytes: 1 << 30 } } as const;
const without = (name: LimitName) => ({
  network: true,
  limits: { ...all, [name]: { enforced: false, by: null } },
});

test("runs with enforceable limits", () => {
  expect(whyNotHeld({ network: true, limits: all }, asked)).toBeNull();
});

test.each(["memory", "processes", "cpu", "disk"] as const)(
  "refuses an unenforceable limit of %s",
  (name) => {
    expect(whyNotHeld(without(name), asked)).toContain(`cannot enforce the limit of ${name};`);
  },
);

test("ignores limits that were not requested, except memory and processes", () => {
  const none = { network: "full", limits: { cpus: null, diskBytes: null } } as const;
  expect(whyNotHeld(without("cpu"), none)).toBeNull();
  expect(whyNotHeld(without("disk"), none)).toBeNull();
  expect(whyNotHeld(without("memory"), none)).toContain("memory");
  expect(whyNotHeld(without("processes"), none)).toContain("processes");
});

test("refuses a command without network if it would have one", () => {
  const open = { network: false, limits: all };
  expect(whyNotHeld(open, asked)).toContain("network: full");
  expect(whyNotHeld(open, { ...asked, network: "full" })).toBeNull();
});
