/** The choices that programs offer for a session, and the search in sessions. */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Session } from "#shared/api/work/sessions.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { waitForRunEnd } from "#test/support/fixtures/runs.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { eventsOf } from "#test/support/fixtures/session-events.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";

let app: TestApp;
let owner: TestPerson;
let agentId: string;

beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required", OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
  owner = await app.person("Ada");
  const project = await makeProject(owner, (await makeOrganization(owner)).id);
  agentId = (await makeWorkspace(owner, project.id)).agent.id;
});
afterAll(() => app.close());

async function start(prompt: string, command = acpAgent()): Promise<Session> {
  const { data } = await owner.api.agentSessions.create({
    params: { agent_id: agentId },
    body: { preset: "custom", command, prompt },
  });
  return idle(data);
}

const get = async ({ id }: Session): Promise<Session> =>
  (await owner.api.agentSessions.get({ params: { session_id: id } })).data;

async function idle(session: Session): Promise<Session> {
  await expect.poll(async () => (await get(session)).status).toMatch(/^(idle|failed)$/);
  return get(session);
}

async function send(session: Session, text: string): Promise<Session> {
  const params = { session_id: session.id };
  const turns = async (): Promise<number> =>
    (await eventsOf(app, owner, session.id)).filter(({ type }) => type === "turn_end").length;
  const before = await turns();
  await owner.api.agentSessions.prompt({ params, body: { text } });
  await expect.poll(turns).toBe(before + 1);
  return idle(session);
}

async function close(session: Session): Promise<void> {
  const { data } = await owner.api.agentSessions.close({ params: { session_id: session.id } });
  await expect
    .poll(async () => {
      const params = { run_id: data.run_id as string };
      return (await owner.api.runs.get({ params })).data.ended_at;
    })
    .not.toBeNull();
}

test("a program with a list of models instead of options changes its model", async () => {
  const session = await start("say hello", acpAgent("models"));
  const { id, current, values } = session.options[0] as Session["options"][number];
  expect([session.options.length, current, values.map(({ value }) => value)]).toEqual([
    1,
    "small",
    ["small", "large", "gone"],
  ]);
  const params = { session_id: session.id };
  await owner.api.agentSessions.update({ params, body: { option: { id, value: "large" } } });
  await expect.poll(async () => (await get(session)).options[0]?.current).toBe("large");
  await send(session, "model");
  await owner.api.agentSessions.update({ params, body: { option: { id, value: "gone" } } });
  const events = () => eventsOf(app, owner, session.id);
  await expect
    .poll(async () => (await events()).at(-1))
    .toMatchObject({
      type: "status",
      status: "idle",
      detail: "The program refused the choice: The model is gone.",
    });
  const said = (await events()).flatMap((event) => (event.type === "message" ? [event.text] : []));
  expect(said.join("")).toContain("by the model large");
  expect((await get(session)).options[0]?.current).toBe("large");
  await close(session);
});

test("without a sandbox the program gets the folder in which it works", async () => {
  // If the server is root, the program cannot write to the folder by its absolute path.
  const home = await mkdtemp(join(tmpdir(), "omoi-home-"));
  await chmod(home, 0o777);
  const off = await startTestApp({ OMOI_SANDBOX: "off" }, "real");
  try {
    const person = await off.person("Off");
    const project = await makeProject(person, (await makeOrganization(person)).id);
    const { agent, workspace } = await makeWorkspace(person, project.id);
    const { data } = await person.api.agentSessions.create({
      params: { agent_id: agent.id },
      body: {
        preset: "custom",
        command: ["env", `HOME=${home}`, ...acpAgent()],
        prompt: "place",
        network: "full",
      },
    });
    const folder = workspace.working_directory;
    await expect
      .poll(async () => JSON.stringify(await eventsOf(off, person, data.id)))
      .toContain(`in ${folder}, told ${folder}`);
    await person.api.agentSessions.close({ params: { session_id: data.id } });
    await waitForRunEnd(person, data.run_id as string);
  } finally {
    await off.close();
    await rm(home, { recursive: true });
  }
});

test("a program offers choices, which people and the program itself change", async () => {
  const session = await start("say hello");
  expect(session.options).toEqual([
    {
      id: "model",
      name: "Model",
      description: null,
      category: "model",
      type: "select",
      current: "small",
      values: [
        { value: "small", name: "Small", description: null },
        { value: "large", name: "Large", description: "Slower" },
      ],
    },
    {
      id: "fast",
      name: "Fast",
      description: null,
      category: null,
      type: "boolean",
      current: "false",
      values: [
        { value: "true", name: "On", description: null },
        { value: "false", name: "Off", description: null },
      ],
    },
  ]);
  const params = { session_id: session.id };
  for (const option of [
    { id: "none", value: "large" },
    { id: "model", value: "none" },
    { id: "fast", value: "1" },
  ]) {
    const refused = owner.api.agentSessions.update({ params, body: { option } });
    await expectProblem(refused, 422, "validation_failed");
  }
  await owner.api.agentSessions.update({ params, body: { option: { id: "fast", value: "true" } } });
  const values = async () => (await get(session)).options.map(({ current }) => current);
  await expect.poll(values).toEqual(["small", "true"]);
  await send(session, "models");
  await expect.poll(values).toEqual(["large", "true"]);
  const changes = (await eventsOf(app, owner, session.id)).filter(({ type }) => type === "option");
  expect(changes).toEqual([
    { type: "option", at: expect.any(String), option_id: "fast", value: "true" },
    { type: "option", at: expect.any(String), option_id: "model", value: "large" },
  ]);
  const { data: key } = await owner.api.apiKeys.create({
    body: { name: "own", agent_id: agentId },
  });
  const agent = app.client(key.key as string).agentSessions;
  const own = agent.update({ params, body: { option: { id: "fast", value: "false" } } });
  await expectProblem(own, 403, "insufficient_permission");
  await close(session);
});

test("choices wait for a program without hindering prompts, and the last one counts", async () => {
  const session = await start("say hello");
  await owner.api.runs.stop({ params: { run_id: session.run_id as string } });
  await waitForRunEnd(owner, session.run_id as string);
  const params = { session_id: session.id };
  for (let nth = 0; nth < 12; nth += 1) {
    const value = nth % 2 === 0 ? "small" : "large";
    await owner.api.agentSessions.update({ params, body: { option: { id: "model", value } } });
    await owner.api.agentSessions.update({ params, body: { mode_id: nth % 2 ? "ask" : "code" } });
  }
  const stored = await queryAsOwner(
    app,
    "select kind, data from agent_session_inputs where session_id = $1 and taken_at is null",
    [session.id],
  );
  expect(stored).toHaveLength(2);
  await send(session, "say more");
  await expect
    .poll(async () => {
      const { modes, options } = await get(session);
      return [modes?.current, options[0]?.current];
    })
    .toEqual(["ask", "large"]);
  await close(session);
});

test("options of one id are refused, and repeated updates change nothing", async () => {
  const session = await start("twice");
  const events = await eventsOf(app, owner, session.id);
  expect(events.some(({ type }) => type === "permission_request")).toBe(false);
  expect(JSON.stringify(events)).toContain("outcome: cancelled");
  const before = await get(session);
  await send(session, "switching 500");
  const after = await eventsOf(app, owner, session.id);
  expect(after.some(({ type }) => type === "option")).toBe(false);
  expect((await get(session)).options).toEqual(before.options);
  await close(session);
});

test("titles and transcripts are searched, also across the pieces of streamed text", async () => {
  const search = async (q: string) =>
    (await owner.api.agentSessions.search({ params: { agent_id: agentId }, query: { q } })).data;
  const first = await start("say the Needle is here");
  await send(first, "tool");
  await close(first);
  const second = await start("say nothing of it");
  await close(second);
  // The words of a message are streamed one by one.
  const found = await search("needle IS here");
  expect(found.is_complete).toBe(true);
  expect(found.matches.map(({ session_id, type }) => [session_id, type])).toEqual([
    [first.id, "title"],
    [first.id, "prompt"],
    [first.id, "message"],
  ]);
  expect(found.matches[2]?.excerpt).toBe("the Needle is here");
  expect((await search("a.txt")).matches).toMatchObject([
    { type: "tool_call" },
    { type: "tool_call" },
  ]);
  expect((await search("say")).matches.map(({ session_id }) => session_id)).toContain(second.id);
  expect(await search("haystack")).toEqual({ matches: [], is_complete: true });
  for (const q of ["", "x", "y".repeat(201)])
    await expectProblem(search(q), 422, "validation_failed");
  // At most five matches of one session.
  const third = await start("say one");
  for (let nth = 0; nth < 6; nth += 1) await send(third, `say needle ${nth}`);
  const many = (await search("needle")).matches;
  expect(many.filter(({ session_id }) => session_id === third.id)).toHaveLength(5);
  expect(many.some(({ session_id }) => session_id === first.id)).toBe(true);
  await close(third);
});
