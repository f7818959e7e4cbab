import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Database } from "../db/connection/connect.js";
import { followProjectWork, writesOn } from "./project-work.js";

const nodeId = randomUUID();
const projectId = randomUUID();

function open() {
  let drain: (subject: string) => Promise<void> = async () => {};
  const work = followProjectWork(
    {
      changes: {
        onDrain: (answer) => {
          drain = answer;
        },
      },
      // No agents, and a home elsewhere.
      withSystem: (async () => ({ rows: [] })) as unknown as Database["withSystem"],
    },
    nodeId,
  );
  const draining = (subject: string) => {
    const state = { isDrained: false };
    void drain(subject).then(() => {
      state.isDrained = true;
    });
    return state;
  };
  return { work, draining };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("the writes in progress are awaited while the project stays in use", async () => {
  const { work, draining } = open();
  const endStream = work.begin(projectId, () => {});
  const endWrite = work.begin(projectId);
  const written = draining(writesOn(projectId));
  const endLater = work.begin(projectId);
  await turn();
  expect(written.isDrained).toBe(false);
  endWrite();
  await turn();
  expect(written.isDrained).toBe(true);
  expect(work.require([projectId])).toBeUndefined();
  endLater();
  endStream();
});

test("once the project leaves, all work is awaited, and new work refused", async () => {
  const { work, draining } = open();
  const ends = [work.begin(projectId), work.begin(projectId, () => {})];
  const all = draining(projectId);
  await turn();
  await expect(work.require([projectId])).rejects.toMatchObject({ code: "home_unavailable" });
  ends[0]?.();
  await turn();
  expect(all.isDrained).toBe(false);
  ends[1]?.();
  await turn();
  expect(all.isDrained).toBe(true);
});
