import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Database } from "../db/connection/connect.js";
import { followProjectWork, writesOn } from "./project-work.js";

const nodeId = randomUUID();
const projectId = randomUUID();

function open() {
  let settle: (subject: string) => Promise<void> = async () => {};
  const work = followProjectWork(
    {
      changes: {
        answerSettle: (answer) => {
          settle = answer;
        },
      },
      // No agents, and a home elsewhere.
      withSystem: (async () => ({ rows: [] })) as unknown as Database["withSystem"],
    },
    nodeId,
  );
  const settled = (subject: string) => {
    const state = { isSettled: false };
    void settle(subject).then(() => {
      state.isSettled = true;
    });
    return state;
  };
  return { work, settled };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("the writes in progress are awaited while the project stays in use", async () => {
  const { work, settled } = open();
  const endStream = work.begin(projectId, () => {});
  const endWrite = work.begin(projectId);
  const written = settled(writesOn(projectId));
  const endLater = work.begin(projectId);
  await turn();
  expect(written.isSettled).toBe(false);
  endWrite();
  await turn();
  expect(written.isSettled).toBe(true);
  expect(work.require([projectId])).toBeUndefined();
  endLater();
  endStream();
});

test("once the project leaves, all work is awaited, and new work refused", async () => {
  const { work, settled } = open();
  const ends = [work.begin(projectId), work.begin(projectId, () => {})];
  const all = settled(projectId);
  await turn();
  await expect(work.require([projectId])).rejects.toMatchObject({ code: "home_unavailable" });
  ends[0]?.();
  await turn();
  expect(all.isSettled).toBe(false);
  ends[1]?.();
  await turn();
  expect(all.isSettled).toBe(true);
});
