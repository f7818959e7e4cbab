import { afterAll, beforeAll, expect, test } from "vitest";
import type { Run } from "#shared/api/execution/runs.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { followLog, shell, waitForRunEnd, type FollowedLog } from "#test/support/fixtures/runs.js";
import { send } from "#test/support/http/raw-request.js";

let app: TestApp;
let owner: TestPerson;
let projectId: string;

beforeAll(async () => {
  app = await startTestApp({}, "real");
  owner = await app.person("Ada");
  projectId = (await makeProject(owner, (await makeOrganization(owner)).id)).id;
});
afterAll(() => app.close());

async function start(script: string): Promise<Run> {
  const { agent } = await makeWorkspace(owner, projectId);
  const params = { agent_id: agent.id };
  return (await owner.api.runs.create({ params, body: { command: shell(script) } })).data;
}

const linesTo = (last: number): string =>
  Array.from({ length: last }, (_, at) => `${at + 1}\n`).join("");
const textOf = (events: FollowedLog["events"]): string => events.map(({ text }) => text).join("");

test("a log of 100,000 lines is complete when downloaded, followed and read from its end", async () => {
  const run = await start("seq 1 100000");
  const live = await followLog(app, owner, run.id);
  expect(live.end).toMatchObject({ id: run.id, status: "succeeded" });
  const whole = linesTo(100_000);
  expect(textOf(live.events) === whole).toBe(true);
  const path = `/api/v1/runs/${run.id}/logs`;
  const saved = await send(app, "GET", `${path}?download=true`, { token: owner.token });
  expect(saved.headers.get("content-disposition")).toContain(`run-${run.id}.log`);
  expect(saved.text === whole).toBe(true);
  const tail = await send(app, "GET", `${path}?tail=3`, { token: owner.token });
  expect(tail.text).toBe("99998\n99999\n100000\n");
  const timed = await send(app, "GET", `${path}?times=true`, { token: owner.token });
  const lines = timed.text.split("\n");
  expect(lines).toHaveLength(100_001);
  expect(lines.filter((line) => !/^\S+Z stdout \d+$/.test(line))).toEqual([""]);
  const ended = (await owner.api.runs.get({ params: { run_id: run.id } })).data;
  expect(ended.output).toEqual({ bytes: whole.length, truncated: false });
});

test("repeated reconnects neither lose nor repeat a line", async () => {
  const sibling = await app.sibling();
  // Slow enough that most lines are read while the command still writes.
  const run = await start("for i in $(seq 1 200); do seq 1 100; sleep 0.02; done");
  const seen: FollowedLog["events"] = [];
  let lost = 0;
  let end: Run | null = null;
  while (end === null) {
    const lastEventId = seen.at(-1)?.id;
    // Alternates between two processes and disconnects after a few events.
    const enough = 1 + (lost % 3);
    const part = await followLog(lost % 2 === 0 ? app : sibling, owner, run.id, {
      ...(lastEventId === undefined ? {} : { lastEventId }),
      stop: (events) => events.length >= enough && lost < 40,
    });
    seen.push(...part.events);
    ({ end } = part);
    lost += 1;
  }
  expect(lost).toBeGreaterThan(1);
  expect(textOf(seen) === linesTo(100).repeat(200)).toBe(true);
  const ids = seen.map(({ id }) => Number(id));
  expect(ids).toEqual([...new Set(ids)].toSorted((left, right) => left - right));
  expect(end).toEqual(await waitForRunEnd(owner, run.id));
  await sibling.close();
});
