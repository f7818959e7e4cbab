/** Lists of an organization without an agent, and conversations at the terminal. */
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import {
  makeAgent,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { signedInCli, type SignedInCli } from "#test/support/server/signed-in-cli.js";

let app: TestApp;
let ada: TestPerson;
let cli: SignedInCli;
let first: Agent;
let second: Agent;

beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required", OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
  ada = await app.person("Ada");
  const { id } = await makeOrganization(ada);
  cli = await signedInCli(app.url, ada);
  const project = await makeProjectWith(ada, id, { "a.txt": "a\n" });
  first = (await makeWorkspace(ada, project.id)).agent;
  second = (await makeWorkspace(ada, project.id)).agent;
});
afterAll(async () => {
  cli.close();
  await app.close();
});

async function startSession(agent: Agent, prompt?: string): Promise<string> {
  const { data } = await ada.api.agentSessions.create({
    params: { agent_id: agent.id },
    body: { preset: "custom", command: acpAgent("load"), ...(prompt !== undefined && { prompt }) },
  });
  return data.id;
}

const statusOf = async (session_id: string): Promise<string> =>
  (await ada.api.agentSessions.get({ params: { session_id } })).data.status;

test("a session is read, answered and prompted from a pipe, until its last turn ends", async () => {
  const id = await startSession(first, "ask");
  const input = "1\nsay goodbye\n";
  const { code, out, err } = await cli.runWith({ input }, "session", "attach", first.name);
  expect([code, err]).toEqual([0, ""]);
  expect(out).toContain("Ada: ask");
  expect(out).toContain("? Delete everything 0\n  1  Allow\n  2  Reject\n");
  expect(out).toContain("answers: yes");
  expect(out).toContain("Ada: say goodbye\n\ngoodbye");
  // Without a line it is read only.
  const again = await cli.runWith({ input: "" }, "session", "attach", id);
  expect([again.code, again.out]).toEqual([0, out]);
  const unanswered = await cli.runWith({ input: "ask\n" }, "session", "attach", id);
  expect([unanswered.code, unanswered.err]).toEqual([
    1,
    expect.stringContaining("waits for a permission"),
  ]);
  const wrong = await cli.runWith({ input: "maybe\n" }, "session", "attach", id);
  expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining("from 1 to 2")]);
  expect(await statusOf(id)).toBe("waiting_for_permission");
  await ada.api.agentSessions.close({ params: { session_id: id } });
  // A closed one is read to its end.
  expect((await cli.runWith({ input: "" }, "session", "attach", id)).out).toContain("goodbye");
});

test("Ctrl+C leaves a session as it is, and says how to end it", async () => {
  const id = await startSession(second, "ask");
  await expect.poll(() => statusOf(id)).toBe("waiting_for_permission");
  const attached = cli.start("logs", second.name, "--session", "--follow");
  let said = "";
  attached.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text));
  await once(attached.stdout as NodeJS.ReadableStream, "data");
  attached.kill("SIGINT");
  expect((await once(attached, "close"))[0]).toBe(130);
  expect(said).toContain(`The session continues. Cancel its turn with: omoi session cancel ${id}`);
  expect(await statusOf(id)).toBe("waiting_for_permission");
});

test("runs and sessions are listed without an agent, with its name", async () => {
  const json = async (...args: string[]) =>
    JSON.parse((await cli.run(...args, "--json")).out) as { agent_name: string; status: string }[];
  const sessions = await json("session", "list");
  expect(sessions.map(({ agent_name }) => agent_name)).toEqual([second.name, first.name]);
  expect((await cli.run("session", "list")).out).toMatch(
    new RegExp(`${second.name}.*waiting_for_permission.*\n.*${first.name}.*closed`),
  );
  const runs = await json("run", "list");
  expect(new Set(runs.map(({ agent_name }) => agent_name))).toEqual(
    new Set([first.name, second.name]),
  );
  const running = await json("run", "list", "--status", "running");
  expect(running).toMatchObject([{ agent_name: second.name, status: "running" }]);
  expect((await cli.run("run", "list", first.name)).out).not.toContain(second.name);
  const ordered = await cli.run("run", "list", "--order", "oldest");
  expect([ordered.code, ordered.err]).toEqual([
    2,
    expect.stringContaining("--order needs an agent"),
  ]);
});

test("an agent's key and strangers see only what they may", async () => {
  const stranger = await app.person("Eve");
  const org = await makeOrganization(stranger);
  expect((await stranger.api.runs.listAll({ query: {} })).data).toEqual([]);
  expect((await stranger.api.agentSessions.listAll({ query: {} })).data).toEqual([]);
  const project = await makeProjectWith(stranger, org.id, { "a.txt": "a\n" });
  const theirs = await makeAgent(stranger, project.id);
  const params = { agent_id: theirs.id };
  const { data: run } = await stranger.api.runs.create({ params, body: { external: true } });
  const mine = (await ada.api.runs.listAll({ query: {} })).data;
  expect(mine.map(({ id }) => id)).not.toContain(run.id);
  const all = (await stranger.api.runs.listAll({ query: {} })).data;
  expect(all).toMatchObject([{ id: run.id, agent_name: theirs.name }]);
  const { data: key } = await ada.api.apiKeys.create({
    body: { name: "agent", agent_id: first.id },
  });
  const agent = app.client(key.key as string);
  for (const list of [agent.runs.listAll, agent.agentSessions.listAll]) {
    const { data } = await list({ query: {} });
    expect(new Set(data.map(({ agent_id }) => agent_id))).toEqual(new Set([first.id]));
  }
});
