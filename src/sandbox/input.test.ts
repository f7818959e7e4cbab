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

test("what is held is run", () => {
  expect(whyNotHeld({ network: true, limits: all }, asked)).toBeNull();
});

test.each(["memory", "processes", "cpu", "disk"] as const)(
  "a limit of %s that cannot hold is a refusal",
  (name) => {
    expect(whyNotHeld(without(name), asked)).toContain(`cannot hold the limit of ${name};`);
  },
);

test("what is not asked for need not hold, but for memory and processes", () => {
  const none = { network: "full", limits: { cpus: null, diskBytes: null } } as const;
  expect(whyNotHeld(without("cpu"), none)).toBeNull();
  expect(whyNotHeld(without("disk"), none)).toBeNull();
  expect(whyNotHeld(without("memory"), none)).toContain("memory");
  expect(whyNotHeld(without("processes"), none)).toContain("processes");
});

test("a command that is to have no network is refused where it would have one", () => {
  const open = { network: false, limits: all };
  expect(whyNotHeld(open, asked)).toContain("network: full");
  expect(whyNotHeld(open, { ...asked, network: "full" })).toBeNull();
});
