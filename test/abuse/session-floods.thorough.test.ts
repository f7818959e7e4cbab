/** Sessions whose programs flood the server with small messages. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Session } from "#shared/api/work/sessions.js";
import { makeOrganization, makeProject } from "../support/fixtures/factories.js";
import {
  dataProcessesOf,
  makeHostileMerges,
  previewFile,
} from "../support/fixtures/hostile-merges.js";
import { startFloods, type FloodKind } from "../support/fixtures/session-flood.js";
import type { TestPerson } from "../support/server/app.js";
import { makeBystander, startServerUnderAttack } from "../support/server/server-under-attack.js";
import type { Bystander, ServerUnderAttack } from "../support/server/server-under-attack.js";

let server: ServerUnderAttack;
let innocent: Bystander;
let attacker: TestPerson;
beforeAll(async () => {
  server = await startServerUnderAttack();
  innocent = await makeBystander(server);
  attacker = await server.person("attacker");
});
afterAll(() => server?.close());

/** Starts sessions of a new organization. */
const startAll = async (kinds: readonly FloodKind[]): Promise<Session[]> => {
  const { id } = await makeOrganization(attacker);
  return startFloods(attacker, (await makeProject(attacker, id)).id, kinds);
};

const statusOf = async ({ id }: Session): Promise<string> =>
  (await attacker.api.agentSessions.get({ params: { session_id: id } })).data.status;

/** Waits until all of them have a status. */
const allAre = (sessions: Session[], status: string): Promise<void> =>
  expect
    .poll(async () => new Set(await Promise.all(sessions.map(statusOf))))
    .toEqual(new Set([status]));

const floods: readonly (readonly FloodKind[])[] = [
  ["unknown", "unknown", "unknown", "unknown", "unknown"],
  ["text", "tool", "request", "blank", "unknown"],
];

test.each(floods)(
  "five sessions that flood (%s, …) are slowed down, can be canceled, and delay no other organization",
  async (...kinds) => {
    const sessions = await innocent.during(async () => {
      const started = await startAll(kinds);
      await allAre(started, "working");
      for (let nth = 0; nth < 20; nth += 1) {
        expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
        await allAre(started, "working");
      }
      return started;
    });
    const params = sessions.map(({ id }) => ({ session_id: id }));
    const [first, ...others] = params as [(typeof params)[0], ...typeof params];
    await attacker.api.agentSessions.cancel({ params: first });
    await allAre(sessions.slice(0, 1), "idle");
    await Promise.all(
      [first, ...others].map((one) => attacker.api.agentSessions.close({ params: one })),
    );
  },
  180_000,
);

test("a server that is flooded while it merges hostile files stops in time", async () => {
  const other = await server.person("merging");
  const merges = await makeHostileMerges(other, (await makeOrganization(other)).id, 2);
  const sessions = await startAll(["tool", "tool", "text", "request", "blank"]);
  await allAre(sessions, "working");
  const previews = merges.map((merge) => previewFile(other, merge).catch(() => null));
  await expect.poll(() => dataProcessesOf(server.pid)).not.toEqual([]);
  const { code, signal } = await server.stop();
  expect([code, signal, server.log()]).toEqual([0, null, expect.not.stringContaining("failed")]);
  await Promise.all(previews);
}, 120_000);
