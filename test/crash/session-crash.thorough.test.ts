import { afterAll, beforeAll, expect, test } from "vitest";
import type { Session } from "#shared/api/work/sessions.js";
import { acpAgent } from "../support/fixtures/acp-agent.js";
import { eventsOf } from "../support/fixtures/session-events.js";
import { RestartableServer } from "../support/crash/restartable-server.js";

/** Sessions of a server that is killed in the middle of a turn. */
const server = new RestartableServer();
beforeAll(async () => {
  await server.open();
  await server.createProject({ max_concurrent_agents: 10 });
});
afterAll(() => server.close());

const get = async (id: string): Promise<Session> =>
  (await server.api.agentSessions.get({ params: { session_id: id } })).data;
const prompt = (id: string, text: string) =>
  server.api.agentSessions.prompt({ params: { session_id: id }, body: { text } });

test.each(["load", "resume", "none"] as const)(
  "a program that takes up a session by %s goes on with the next prompt, or says that it cannot",
  async (mode) => {
    const { agent_id } = await server.createWorkspace();
    const { data: session } = await server.api.agentSessions.create({
      params: { agent_id },
      body: { preset: "custom", command: acpAgent(mode), prompt: "say before" },
    });
    const { id } = session;
    await expect.poll(async () => (await get(id)).status).toBe("idle");
    await prompt(id, "wait");
    await expect.poll(async () => (await get(id)).status).toBe("working");
    await server.kill();
    await server.start();
    const lost = await get(id);
    if (mode === "none") {
      expect(lost.status).toBe("failed");
      expect(lost.detail).toContain("cannot take up a session again");
      return;
    }
    expect(lost).toMatchObject({ status: "idle", can_resume: true });
    expect(lost.detail).toContain("the next prompt starts it again");
    await prompt(id, "say after");
    await expect
      .poll(
        async () =>
          (await eventsOf(server, server, id)).filter(({ type }) => type === "turn_end").length,
      )
      .toBe(2);
    const events = await eventsOf(server, server, id);
    expect(events.flatMap((event) => (event.type === "prompt" ? event.text : []))).toEqual([
      "say before",
      "wait",
      "say after",
    ]);
    const said = events.flatMap((event) => (event.type === "message" ? event.text : []));
    expect(said.join("")).toBe("before after ");
    await server.api.agentSessions.close({ params: { session_id: id } });
    expect((await get(id)).status).toBe("closed");
  },
);
