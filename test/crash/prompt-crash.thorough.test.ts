import { randomInt } from "node:crypto";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { acpAgent } from "../support/fixtures/acp-agent.js";
import { eventsOf } from "../support/fixtures/session-events.js";
import { CrashingServer } from "../support/crash/crashing-server.js";

/** A prompt to a session whose program has ended, interrupted at its effects in turn. */
const server = new CrashingServer("checkout");
beforeAll(() => server.open());
afterAll(() => server.close());
vi.setConfig({ testTimeout: 1_800_000 });

/** Effects between two kills; each run begins at another one. */
const STEP = 4;
/** Fewer would mean that the counter does not work. */
const fewestEffects = 10;

const promptsOf = async (id: string): Promise<string[]> =>
  (await eventsOf(server, server, id)).flatMap((event) =>
    event.type === "prompt" ? event.text : [],
  );

/** Whether the server has stored a prompt. */
const isStored = async (id: string, text: string): Promise<boolean> =>
  (
    await server.query<{ found: boolean }>(
      `select exists (select from agent_session_inputs
        where session_id = '${id}' and data ->> 'text' = '${text}') as found`,
    )
  )[0]?.found === true;

test("a server killed between a prompt and the start of its program sends the prompt once", async () => {
  const { agent_id } = await server.createWorkspace();
  const { data: session } = await server.api.agentSessions.create({
    params: { agent_id },
    body: { preset: "custom", command: acpAgent("load"), prompt: "say first" },
  });
  const params = { session_id: session.id };
  const read = async () => (await server.api.agentSessions.get({ params })).data.status;
  await expect.poll(read, { timeout: 120_000 }).toBe("idle");
  let stored = 0;
  for (let [effect, round] = [1 + randomInt(STEP), 1]; ; effect += STEP, round += 1) {
    await server.stop();
    await server.startWithKillAt(effect, round % 2 === 1 ? "after" : "before");
    const text = `say round ${round}`;
    const isKilled = await server.runUntilKilled(() =>
      server.api.agentSessions.prompt({ params, body: { text } }),
    );
    if (isKilled) await server.start();
    if (await isStored(session.id, text)) {
      stored += Number(isKilled);
      await expect
        .poll(async () => (await promptsOf(session.id)).filter((sent) => sent === text).length, {
          timeout: 120_000,
        })
        .toBe(1);
      await expect.poll(read, { timeout: 120_000 }).toBe("idle");
    } else {
      expect(isKilled).toBe(true);
      expect(await promptsOf(session.id)).not.toContain(text);
    }
    if (!isKilled) {
      expect(effect).toBeGreaterThan(fewestEffects);
      expect(stored).toBeGreaterThan(0);
      return;
    }
  }
});
