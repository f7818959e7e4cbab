import { expect, test } from "vitest";
import { enforcementProblem } from "./input.js";
import type { LimitName } from "./sandbox.js";

const held = { enforced: true, by: "a test" };
const all = { memory: held, processes: held, cpu: held, output: held, disk: held };
const asked = { network: "none", limits: { cpus: 1, diskBytes: 1 << 30 } } as const;
const without = (name: LimitName) => ({
  network: true,
  limits: { ...all, [name]: { enforced: false, by: null } },
});

test("runs with enforceable limits", () => {
  expect(enforcementProblem({ network: true, limits: all }, asked)).toBeNull();
});

test.each(["memory", "processes", "cpu", "disk"] as const)(
  "refuses an unenforceable limit of %s",
  (name) => {
    expect(enforcementProblem(without(name), asked)).toContain(
      `cannot enforce the limit of ${name};`,
    );
  },
);

test("ignores limits that were not requested, except memory and processes", () => {
  const none = { network: "full", limits: { cpus: null, diskBytes: null } } as const;
  expect(enforcementProblem(without("cpu"), none)).toBeNull();
  expect(enforcementProblem(without("disk"), none)).toBeNull();
  expect(enforcementProblem(without("memory"), none)).toContain("memory");
  expect(enforcementProblem(without("processes"), none)).toContain("processes");
});

test("refuses a command without network if it would have one", () => {
  const open = { network: false, limits: all };
  expect(enforcementProblem(open, asked)).toContain("network: full");
  expect(enforcementProblem(open, { ...asked, network: "full" })).toBeNull();
});
