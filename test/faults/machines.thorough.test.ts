/**
 * Three servers and two runners, each on a machine of its own, work for a client while machines are killed and cut
 * off. OMOI_FAULT_ROUNDS and OMOI_FAULT_SEED choose the number of faults and their order.
 */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Client } from "#shared/contract/client.js";
import { checkMounts, checkProcesses, verifyServers } from "../support/faults/check-machines.js";
import { checkQuotas, checkRuns, untilRunsEnded } from "../support/faults/check-runs.js";
import { checkWork } from "../support/faults/check-work.js";
import { chooseFault, commitFault, describeFault, type Fault } from "../support/faults/faults.js";
import { newJournal } from "../support/faults/journal.js";
import { watchLeases, type RunWatch } from "../support/faults/watch-runs.js";
import { expectRefused, startWorkers } from "../support/faults/workers.js";
import { startWorld, type World } from "../support/faults/world.js";
import { whyNoMachines } from "../support/machines/network.js";

const reason = whyNoMachines();
const rounds = Number(process.env["OMOI_FAULT_ROUNDS"] ?? 12);
const seed = Number(process.env["OMOI_FAULT_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
/** Runs of all rounds together. */
const fewestRuns = 2 * rounds;

/** Returns a generator of numbers from 0 to 1 that a seed determines (mulberry32). */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Revoked keys that are tried after a round. */
const SOME = 40;

const title = "servers and runners on machines that fail";
describe.skipIf(reason !== null)(reason === null ? title : `${title} (${reason})`, () => {
  const random = randomFrom(seed);
  const journal = newJournal();
  let world: World;
  let watch: RunWatch;
  beforeAll(async () => {
    console.log(`OMOI_FAULT_SEED=${seed} OMOI_FAULT_ROUNDS=${rounds}`);
    world = await startWorld();
    watch = watchLeases(world.installation.postgres);
  });
  afterAll(async () => {
    await watch?.stop();
    await world?.installation.close();
  });

  /** The first two faults are always the same, so that a short test has the most important ones. */
  const faultOf = (round: number): Fault => {
    const [first, second] = world.servers;
    if (round === 1 && first) return { kind: "kill", machine: first, durationMs: 1000 };
    if (round === 2 && second) return { kind: "cut", machine: second, durationMs: 16_000 };
    return chooseFault(world, random);
  };

  test.each(Array.from({ length: rounds }, (_none, index) => index + 1))(
    "nothing acknowledged is lost or doubled (fault %i)",
    async (round) => {
      const fault = faultOf(round);
      const startedAt = Date.now();
      const workers = startWorkers(world, journal, random);
      try {
        await pause(1000 + random() * 3000);
        await commitFault(world, fault);
        await untilAllServe(world);
        await pause(1000);
      } finally {
        await workers.stop();
      }
      const stuck = await untilRunsEnded(world);
      const api = world.clients[0] as Client;
      const markers = journal.runs.map(({ marker }) => marker);
      for (const { key } of someOf(journal.revokedKeys, random)) {
        await expectRefused(world, journal, key);
      }
      const faults = [
        ...journal.failures.splice(0),
        ...stuck,
        ...[...watch.overdue].map(([id, detail]) => `the run ${id} is overdue: ${detail}`),
        ...(await checkWork(world, journal)),
        ...(await checkRuns(world, journal)),
        ...(await checkQuotas(world, api)),
        ...(await checkProcesses(markers)),
        ...checkMounts(world),
      ];
      const seconds = ((Date.now() - startedAt) / 1000).toFixed(0);
      console.log(
        `${round}: ${describeFault(fault)}; ${seconds} s; ${journal.commits.length} commits, ${journal.merges.length} merges, ${journal.pushes.length} pushes, ${journal.runs.length} runs, ${journal.revokedKeys.length} keys; longest end of a run ${(watch.longestMs() / 1000).toFixed(1)} s after its lease`,
      );
      // A long test shows them before its end.
      if (faults.length > 0) console.log(faults);
      expect(faults.join("\n")).toBe("");
    },
    600_000,
  );

  test("all logs, repositories and merges are intact, and enough work was done", async () => {
    console.log(Object.fromEntries(journal.outcomes));
    expect(await verifyServers(world)).toEqual([]);
    expect(journal.runs.length).toBeGreaterThanOrEqual(fewestRuns);
    for (const kind of ["commits", "merges", "pushes"] as const) {
      expect(journal[kind].filter(({ isAcknowledged }) => isAcknowledged)).not.toEqual([]);
    }
    expect(journal.revokedKeys).not.toEqual([]);
    for (const { key } of journal.revokedKeys) await expectRefused(world, journal, key);
    expect(journal.failures).toEqual([]);
  }, 1_800_000);
});

/** The newest of a list, and as many others by chance: a long test does not look at all of them each time. */
function someOf<Item>(all: readonly Item[], random: () => number): Item[] {
  const older = all.slice(0, -SOME);
  return [...all.slice(-SOME), ...older.filter(() => random() < SOME / older.length)];
}

/** Waits until each server answers requests for the project of each other one. */
async function untilAllServe({ clients, projects }: World): Promise<void> {
  const deadline = Date.now() + 120_000;
  for (const client of clients) {
    for (const { id } of projects) {
      for (;;) {
        const answer = await client.projects
          .get({ params: { project_id: id } })
          .catch((error: unknown) => error);
        if (!(answer instanceof Error)) break;
        if (Date.now() > deadline) throw answer;
        await pause(200);
      }
    }
  }
}
