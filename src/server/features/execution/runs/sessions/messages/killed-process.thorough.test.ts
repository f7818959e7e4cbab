/** The process that reads the messages of all sessions is killed while they stream. */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Session, SessionEvent } from "#shared/api/work/sessions.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { eventsOf } from "#test/support/fixtures/session-events.js";
import { startFloods } from "#test/support/fixtures/session-flood.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { killChildren } from "#test/support/server/children.js";

let app: TestApp;
let owner: TestPerson;
let projectId: string;
beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required" }, "real");
  owner = await app.person("Ada");
  projectId = (await makeProject(owner, (await makeOrganization(owner)).id)).id;
});
afterAll(() => app.close());

const start = async (): Promise<Session> => {
  const { agent } = await makeWorkspace(owner, projectId);
  const { data } = await owner.api.agentSessions.create({
    params: { agent_id: agent.id },
    body: { preset: "custom", command: acpAgent() },
  });
  return data;
};
const get = async ({ id }: Session): Promise<Session> =>
  (await owner.api.agentSessions.get({ params: { session_id: id } })).data;
const kill = () => killChildren("omoi-session-messages", "message-process");
const prompt = ({ id }: Session, text: string) =>
  owner.api.agentSessions.prompt({ params: { session_id: id }, body: { text } });

test("sessions lose and double nothing, and messages that end it every time fail one session alone", async () => {
  const words = Array.from({ length: 200 }, (_, at) => `w${at} `).join("");
  const sessions = await Promise.all([start(), start()]);
  for (const session of sessions) {
    await expect.poll(async () => (await get(session)).status).toBe("idle");
  }
  for (let turns = 1; turns <= 3; turns += 1) {
    // Each word is sent on its own, ten milliseconds after the last.
    await Promise.all(sessions.map((session) => prompt(session, `say ${words.trim()}`)));
    await pause(Math.random() * 1500);
    expect(await kill()).toBe(1);
    for (const { id } of sessions) {
      const events = (): Promise<SessionEvent[]> => eventsOf(app, owner, id);
      await expect
        .poll(async () => (await events()).filter(({ type }) => type === "turn_end").length)
        .toBe(turns);
      // Reading takes a second, after which streamed text is written, too.
      await expect
        .poll(async () =>
          (await events()).flatMap((item) => (item.type === "message" ? item.text : [])).join(""),
        )
        .toBe(words.repeat(turns));
    }
  }

  const [flood] = (await startFloods(owner, projectId, ["text"])) as [Session];
  await expect.poll(async () => (await get(flood)).status).toBe("working");
  await expect
    .poll(async () => (await kill(), (await get(flood)).status), { interval: 1 })
    .toBe("failed");
  expect((await get(flood)).detail).toMatch(
    /^The program sent messages that took too much time or memory to read|^The server could not go on/,
  );
  const [first] = sessions;
  await prompt(first, "say on");
  await expect
    .poll(async () => JSON.stringify(await eventsOf(app, owner, first.id)))
    .toContain('"on "');
  for (const { id } of sessions)
    await owner.api.agentSessions.close({ params: { session_id: id } });
}, 240_000);
