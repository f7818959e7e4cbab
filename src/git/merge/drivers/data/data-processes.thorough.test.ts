import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DataMerges } from "./data-merges.js";
import { DataProcesses, MergesUnavailableError } from "./data-processes.js";
import type { FileVersions } from "./merge-data.js";

const file: FileVersions = {
  name: "x.json",
  base: null,
  target: Buffer.from('{"a":1}'),
  source: Buffer.from('{"b":1}'),
};
const merged = { result: "merged", bytes: expect.anything() as Uint8Array };
/** Small files have processes of their own. */
const LARGE = 1024 * 1024;

/** Processes start slowly on a busy machine. */
const START = { timeout: 30_000 };

let processes: DataProcesses;
beforeEach(() => {
  processes = new DataProcesses();
});
afterEach(() => processes.stop());

/** The files of all organizations, in the order of their turns. */
function turnsOf() {
  const begun: string[] = [];
  const merge = (owner: string, bytes: number, ready: Promise<unknown> = Promise.resolve()) => {
    const read = async (): Promise<FileVersions> => {
      begun.push(owner);
      await ready;
      return file;
    };
    const merges = new DataMerges(processes, owner, { timeMs: 10 * 60_000 });
    return merges.merge({ bytes, read }, true);
  };
  return { begun, merge };
}

/** A promise and the function that resolves it. */
function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe("organizations", () => {
  it("never have all processes, whatever their size of files", async () => {
    const { begun, merge } = turnsOf();
    const { opened, open } = gate();
    const all: Promise<unknown>[] = [];
    for (const bytes of [LARGE, 10]) {
      const held = [merge("attacker", bytes, opened), merge("attacker", bytes, opened)];
      await expect.poll(() => begun, START).toEqual(["attacker"]);
      for (let count = 0; count < 3; count += 1) {
        expect(await merge("innocent", bytes)).toEqual(merged);
      }
      expect(begun.splice(0)).toEqual(["attacker", "innocent", "innocent", "innocent"]);
      all.push(...held);
    }
    open();
    expect(await Promise.all(all)).toEqual(Array.from({ length: 4 }, () => merged));
  });

  it("do not wait with a small file for the large ones of two others", async () => {
    const { merge } = turnsOf();
    const { opened, open } = gate();
    const held = [merge("one", LARGE, opened), merge("two", LARGE, opened)];
    expect(await merge("innocent", 10)).toEqual(merged);
    open();
    expect(await Promise.all(held)).toEqual([merged, merged]);
  });

  it("take turns, each file being one", async () => {
    const { begun, merge } = turnsOf();
    const gates = [gate(), gate()];
    const held = gates.map(({ opened }, at) => merge(`holder ${at}`, LARGE, opened));
    const waiting = ["a", "a", "a", "b", "b", "c"].map((owner) => merge(owner, LARGE));
    await expect.poll(() => begun, START).toHaveLength(2);
    gates[0]?.open();
    await Promise.all(waiting);
    expect(begun.slice(2)).toEqual(["a", "b", "c", "a", "b", "a"]);
    gates[1]?.open();
    await Promise.all(held);
  });

  it("have at most 200 waiting files", async () => {
    const { merge } = turnsOf();
    const { opened, open } = gate();
    const accepted = Array.from({ length: 201 }, () => merge("attacker", LARGE, opened));
    await expect(merge("attacker", LARGE)).rejects.toThrow(MergesUnavailableError);
    expect(await merge("innocent", LARGE)).toEqual(merged);
    open();
    expect(await Promise.all(accepted)).toEqual(Array.from({ length: 201 }, () => merged));
  });
});

describe("an operation", () => {
  it("has a total time for all of its files", async () => {
    const merges = new DataMerges(processes, "one", { timeMs: 30 });
    let reads = 0;
    const read = async (): Promise<FileVersions> => {
      reads += 1;
      await pause(50);
      return file;
    };
    for (let round = 0; round < 3; round += 1) {
      expect(await merges.merge({ bytes: LARGE, read }, true)).toBeNull();
    }
    expect(reads).toBeLessThanOrEqual(1);
    const other = new DataMerges(processes, "one");
    expect(await other.merge({ bytes: LARGE, read }, true)).toEqual(merged);
  });

  it("that must not wait is refused, and leaves the turns of others as they are", async () => {
    const { merge } = turnsOf();
    const { opened, open } = gate();
    const held = merge("one", LARGE, opened);
    const merges = new DataMerges(processes, "one", { waits: false, timeMs: 10 * 60_000 });
    const job = { bytes: LARGE, read: async () => file };
    await expect(merges.merge(job, merges.waits)).rejects.toThrow("under way");
    open();
    await held;
    expect(await merges.merge(job, merges.waits)).toEqual(merged);
  });
});

describe("a stop", () => {
  it("ends waiting and running merges at once, and all further ones", async () => {
    const { begun, merge } = turnsOf();
    const never = new Promise(() => undefined);
    const pending = [merge("one", LARGE, never), merge("one", LARGE), merge("two", 10, never)];
    const failed = Promise.all(
      pending.map((promise) =>
        promise.then(
          () => null,
          (error: unknown) => error,
        ),
      ),
    );
    await expect.poll(() => begun, START).toHaveLength(2);
    processes.stop();
    for (const error of await failed) expect(error).toBeInstanceOf(MergesUnavailableError);
    await expect(merge("three", 10)).rejects.toThrow("The server is stopping");
  });
});

it("a process that ends during a file counts for that file alone", async () => {
  const merges = new DataMerges(processes, "one");
  const tooLarge = Buffer.alloc(8, 10);
  const broken = { ...file, target: null as unknown as Uint8Array, source: tooLarge };
  expect(await merges.merge({ bytes: LARGE, read: async () => broken }, true)).toBeNull();
  expect(await merges.merge({ bytes: LARGE, read: async () => file }, true)).toEqual(merged);
});
