import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Session, SessionEvent } from "#shared/api/work/sessions.js";
import type { Project } from "#shared/api/code/projects.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import {
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { waitForRunEnd } from "#test/support/fixtures/runs.js";

let app: TestApp;
let sibling: TestApp;
let owner: TestPerson;
let project: Project;
let agentId: string;

beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required", OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
  sibling = await app.sibling();
  owner = await app.person("Ada");
});
afterAll(async () => {
  await sibling.close();
  await app.close();
});
beforeEach(async () => {
  const { id } = await makeOrganization(owner);
  project = await makeProjectWith(owner, id, { "a.txt": "a\n" });
  agentId = (await makeWorkspace(owner, project.id)).agent.id;
});

const other = () => sibling.client(owner.token);

async function start(
  prompt?: string,
  mode: Parameters<typeof acpAgent>[0] = "load",
): Promise<Session> {
  const { data } = await owner.api.agentSessions.create({
    params: { agent_id: agentId },
    body: {
      preset: "custom",
      command: acpAgent(mode),
      ...(prompt !== undefined && { prompt }),
    },
  });
  return data;
}

const get = async ({ id }: Session): Promise<Session> =>
  (await owner.api.agentSessions.get({ params: { session_id: id } })).data;

async function until(session: Session, isThere: (session: Session) => boolean): Promise<Session> {
  await expect.poll(async () => isThere(await get(session))).toBe(true);
  return get(session);
}

const send = async ({ id }: Session, text: string, api = owner.api): Promise<Session> =>
  (await api.agentSessions.prompt({ params: { session_id: id }, body: { text } })).data;

interface Followed {
  events: SessionEvent[];
  ids: string[];
  end: Session | null;
}

/** Follows the events of a session until one of them, or its end. */
async function follow(
  { id }: Session,
  isLast: (event: SessionEvent, all: SessionEvent[]) => boolean,
  { from = app, lastEventId }: { from?: TestApp; lastEventId?: string } = {},
): Promise<Followed> {
  const aborter = new AbortController();
  const response = await fetch(`${from.url}/api/v1/sessions/${id}/events`, {
    headers: {
      authorization: `Bearer ${owner.token}`,
      ...(lastEventId !== undefined && { "last-event-id": lastEventId }),
    },
    signal: AbortSignal.any([aborter.signal, AbortSignal.timeout(30_000)]),
  });
  expect(response.headers.get("content-type")).toContain("text/event-stream");
  const all: Followed = { events: [], ids: [], end: null };
  let rest = "";
  for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const messages = (rest + piece).split("\n\n");
    rest = messages.pop() ?? "";
    for (const message of messages) {
      const data = /^data: (.*)$/m.exec(message)?.[1];
      if (data === undefined) continue;
      if (/^event: end$/m.test(message)) {
        all.end = JSON.parse(data) as Session;
        return all;
      }
      const event = JSON.parse(data) as SessionEvent;
      all.events.push(event);
      all.ids.push(/^id: (.*)$/m.exec(message)?.[1] ?? "");
      if (isLast(event, all.events)) {
        aborter.abort();
        return all;
      }
    }
  }
  return all;
}

const isTurnEnd = (event: SessionEvent): boolean => event.type === "turn_end";
/** The nth end of a turn. */
const turns = (count: number) => (_: SessionEvent, all: SessionEvent[]) =>
  all.filter(isTurnEnd).length === count;
const textOf = (events: SessionEvent[], type = "message"): string =>
  events.flatMap((event) => (event.type === type && "text" in event ? event.text : [])).join("");

test("a session streams text, thoughts, plans and tool calls, and its files become commits", async () => {
  const session = await start("say hello there");
  expect(session).toMatchObject({
    agent_id: agentId,
    preset: "custom",
    status: "starting",
    title: "say hello there",
    created_by: { type: "user" },
  });
  const first = await follow(session, isTurnEnd);
  expect(first.events[0]).toMatchObject({
    type: "prompt",
    text: "say hello there",
    by: { type: "user" },
  });
  expect(textOf(first.events)).toBe("hello there ");
  expect(first.events.at(-1)).toMatchObject({ type: "turn_end", stop_reason: "end_turn" });
  expect(await until(session, ({ status }) => status === "idle")).toMatchObject({
    can_resume: true,
    modes: {
      current: "code",
      available: [{ id: "code" }, { id: "ask", description: "Asks first" }],
    },
  });
  await send(session, "think", other());
  await send(session, "plan");
  await send(session, "tool");
  const all = await follow(session, turns(4), { from: sibling });
  expect(textOf(all.events, "thought")).toBe("Let me think. ");
  expect(all.events.find(({ type }) => type === "plan")).toMatchObject({
    entries: [{ content: "Write it", status: "in_progress" }],
  });
  expect(all.events.filter(({ type }) => type === "tool_call")).toMatchObject([
    {
      tool_call_id: "t1",
      title: "Edit a.txt",
      kind: "edit",
      status: "pending",
      paths: ["/workspace/a.txt"],
    },
    {
      tool_call_id: "t1",
      status: "completed",
      content: [{ type: "diff", path: "/workspace/a.txt", old_text: "a\n", new_text: "new\n" }],
    },
  ]);
  // A stream that is resumed repeats nothing.
  const middle = all.ids[3] as string;
  const later = await follow(session, turns(3), { lastEventId: middle });
  expect(later.events).toEqual(all.events.slice(4));

  const { data: list } = await owner.api.agentSessions.list({ params: { agent_id: agentId } });
  expect(list.map(({ id }) => id)).toEqual([session.id]);
  const closed = await owner.api.agentSessions.close({ params: { session_id: session.id } });
  expect(closed.data).toMatchObject({ status: "closed", closed_at: expect.any(String) as string });
  const run = await waitForRunEnd(owner, session.run_id as string);
  expect(run).toMatchObject({
    status: "succeeded",
    session_id: session.id,
    // The end of the turn was committed before.
    checkpoint: null,
  });
  const { data: commits } = await owner.api.workspaces.commits({ params: { agent_id: agentId } });
  expect(commits).toMatchObject([{ commit_type: "checkpoint", files_changed: 1 }]);
  expect((await follow(session, () => false)).end).toMatchObject({ status: "closed" });
  await expectProblem(send(session, "say more"), 409, "session_closed");
});

test("a request for a permission waits for a person, and the first answer counts", async () => {
  const session = await start("ask");
  const waiting = await until(session, ({ status }) => status === "waiting_for_permission");
  const [request] = waiting.permissions;
  expect(request).toMatchObject({
    title: "Delete everything 0",
    options: [{ option_id: "yes", kind: "allow_once" }, { option_id: "no" }],
  });
  const params = { session_id: session.id, request_id: request?.request_id as string };
  const answer = (option_id: string, api = owner.api) =>
    api.agentSessions.answer({ params, body: { option_id } });
  await expectProblem(answer("perhaps"), 422, "validation_failed");
  const answers = await Promise.allSettled([
    answer("yes"),
    answer("yes", other()),
    answer("yes"),
    answer("yes", other()),
  ]);
  expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  const { events } = await follow(session, isTurnEnd);
  expect(textOf(events)).toBe("answers: yes");
  expect(events.find(({ type }) => type === "permission_answer")).toMatchObject({
    request_id: params.request_id,
    option_id: "yes",
    by: { type: "user" },
  });
  await expectProblem(answer("no"), 409, "permission_answered");
  expect((await get(session)).permissions).toEqual([]);
});

test("a canceled turn ends, its requests are canceled, and prompts that wait are dropped", async () => {
  const session = await start("ask 2");
  await until(session, ({ permissions }) => permissions.length === 2);
  const cancel = () => owner.api.agentSessions.cancel({ params: { session_id: session.id } });
  await cancel();
  const first = await follow(session, isTurnEnd);
  expect(textOf(first.events)).toBe("answers: cancelled,cancelled");
  await until(session, ({ status }) => status === "idle");
  await send(session, "late");
  await until(session, ({ status }) => status === "working");
  await cancel();
  await cancel();
  const second = await follow(session, (event) => textOf([event]).includes("much later"));
  expect(second.events.findLast(isTurnEnd)).toMatchObject({ stop_reason: "cancelled" });
  // Without a turn, it has no effect.
  await until(session, ({ status }) => status === "idle");
  await cancel();
  await send(session, "say again");
  expect((await follow(session, turns(3))).events.at(-1)).toMatchObject({
    stop_reason: "end_turn",
  });
});

test("a program that has ended is started again by the next prompt and takes up the session", async () => {
  const session = await start("say one");
  await follow(session, isTurnEnd);
  await send(session, "crash");
  const ended = await until(session, ({ detail }) => detail !== null);
  expect(ended).toMatchObject({ status: "idle", can_resume: true });
  expect(ended.detail).toContain("the next prompt starts it again");
  const again = await send(session, "say two", other());
  expect(again.run_id).not.toBe(session.run_id);
  const { events } = await follow(session, (event) => textOf([event]).includes("two"));
  expect(textOf(events)).not.toMatch(/repeated history|late history/);
  expect((await get(session)).status).not.toBe("failed");
});

test("a resumed session has the mode that was chosen", async () => {
  const session = await start("say first");
  await follow(session, isTurnEnd);
  const params = { session_id: session.id };
  await owner.api.agentSessions.update({ params, body: { mode_id: "ask" } });
  await until(session, ({ modes }) => modes?.current === "ask");
  const { run_id } = await get(session);
  await owner.api.runs.stop({ params: { run_id: run_id as string } });
  await send(session, "which");
  const { events } = await follow(session, turns(2));
  expect(textOf(events)).toContain("in the mode ask");
  expect(events.filter(({ type }) => type === "mode")).toHaveLength(1);
  expect(await get(session)).toMatchObject({ modes: { current: "ask" } });
});

test("a program that cannot take up a session fails with it", async () => {
  const session = await start("crash", "none");
  const failed = await until(session, ({ status }) => status === "failed");
  expect(failed.detail).toContain("cannot take up a session again");
  await expectProblem(send(session, "say two"), 409, "session_closed");
});

test("the program reaches no file and no terminal through the server, and strays are ignored", async () => {
  const session = await start("outside");
  const { events } = await follow(session, isTurnEnd);
  expect(textOf(events)).toBe("refused: -32601,-32601,-32601");
  for (const prompt of ["other", "unknown", "garbage", "fail", "mode", "greedy 5000"])
    await send(session, prompt);
  const all = (await follow(session, turns(7))).events;
  expect(textOf(all)).not.toContain("stray");
  expect(textOf(all)).toContain("still here");
  expect(all.filter(isTurnEnd)).toContainEqual(
    expect.objectContaining({ stop_reason: "error: The model is not available." }),
  );
  expect((await get(session)).modes?.current).toBe("ask");
  const params = { session_id: session.id };
  await expectProblem(
    owner.api.agentSessions.update({ params, body: { mode_id: "none" } }),
    422,
    "validation_failed",
  );
  await owner.api.agentSessions.update({ params, body: { mode_id: "code", title: "Another" } });
  const changed = await until(session, ({ modes }) => modes?.current === "code");
  expect(changed.title).toBe("Another");
});

test("floods are kept whole, and a message of 10 MB ends the session", async () => {
  const session = await start("flood 20000");
  const { events } = await follow(session, isTurnEnd);
  const words = textOf(events).trim().split(" ");
  expect(words).toHaveLength(20_000);
  expect(words.at(-1)).toBe("x19999");
  await send(session, "tools 2000");
  const all = (await follow(session, turns(2))).events;
  const calls = all.filter(({ type }) => type === "tool_call");
  expect(calls).toHaveLength(2000);
  expect(calls.every((call) => "title" in call && (call.title?.length ?? 0) <= 500)).toBe(true);
  await send(session, "big");
  const failed = await until(session, ({ status }) => status === "failed");
  expect(failed.detail).toBe("The program sent a message of more than 2 MiB.");
});

test("secrets are masked, also in pieces", async () => {
  const params = { project_id: project.id, name: "SECRET" };
  const value = "correct-horse-battery-staple";
  await owner.api.projectSecrets.set({ params, body: { kind: "variable", value } });
  const session = await start("secret");
  const { events } = await follow(session, isTurnEnd);
  expect(textOf(events)).toBe("***");
  const masked = { id: "mode-***", name: "Mode ***", description: null };
  const { modes } = await get(session);
  expect(modes).toMatchObject({ current: masked.id, available: expect.arrayContaining([masked]) });
  expect(events).toContainEqual(expect.objectContaining({ type: "mode", mode_id: masked.id }));
  expect(JSON.stringify([modes, events])).not.toContain(value);
});

test("a run in progress, a missing program and the agent itself are refused", async () => {
  const params = { agent_id: agentId };
  const session = await start("wait");
  await expectProblem(start("say two"), 409, "run_in_progress");
  await until(session, ({ status }) => status === "working");
  for (let nth = 0; nth < 10; nth += 1) await send(session, "say more").catch(() => undefined);
  await owner.api.agentSessions.close({ params: { session_id: session.id } });
  await waitForRunEnd(owner, session.run_id as string);
  const { data: missing } = await owner.api.agentSessions.create({
    params,
    body: { preset: "custom", command: ["no-such-program"], prompt: "say hi" },
  });
  const failed = await until(missing, ({ status }) => status === "failed");
  expect(failed.detail).not.toBeNull();
  for (const body of [
    { preset: "custom" as const },
    { preset: "codex" as const, command: ["codex"] },
    { preset: "codex" as const, network: "none" as const, allowed_hosts: ["a.test"] },
  ]) {
    await expectProblem(owner.api.agentSessions.create({ params, body }), 422, "validation_failed");
  }
});

test("long lists and texts are cut, and odd characters replaced", async () => {
  const session = await start("wide");
  const { events } = await follow(session, isTurnEnd);
  const wide = events.find((event) => event.type === "tool_call");
  expect(wide?.content).toHaveLength(8);
  expect(JSON.stringify(wide).length).toBeLessThan(1024 * 1024);
  await send(session, "entries");
  const plans = (await follow(session, turns(2))).events.filter(({ type }) => type === "plan");
  // The list of numbers is left out, and the long one is cut.
  expect(plans).toHaveLength(1);
  expect(plans[0]).toMatchObject({ entries: expect.objectContaining({ length: 100 }) });
  await send(session, "odd");
  const waiting = await until(session, ({ permissions }) => permissions.length === 1);
  const [request] = waiting.permissions;
  expect(request?.title).toBe("half \ufffd and nothing .");
  await owner.api.agentSessions.answer({
    params: { session_id: session.id, request_id: request?.request_id as string },
    body: { option_id: "y" },
  });
  expect(textOf((await follow(session, turns(3))).events)).toContain('odd: "y\\u0000"');
});

test("prompts wait in the database, and those of a program that ended come first", async () => {
  const session = await start("wait");
  await until(session, ({ status }) => status === "working");
  for (let nth = 0; nth < 10; nth += 1) await send(session, `say ${nth}`);
  await expectProblem(send(session, "say more"), 409, "too_many_prompts");
  await owner.api.runs.stop({ params: { run_id: session.run_id as string } });
  await until(session, ({ status }) => status === "idle");
  await expectProblem(send(session, "say last", other()), 409, "too_many_prompts");
  await owner.api.agentSessions.cancel({ params: { session_id: session.id } });
  await send(session, "say last", other());
  const { events } = await follow(session, isTurnEnd);
  const prompts = events.flatMap((event) => (event.type === "prompt" ? event.text : []));
  expect(prompts).toEqual(["wait", "say last"]);
});

test("a mode that the program does not answer holds up nothing", async () => {
  const session = await start("wait", "resume");
  await until(session, ({ status }) => status === "working");
  const params = { session_id: session.id };
  await owner.api.agentSessions.update({ params, body: { mode_id: "ask" } });
  await owner.api.agentSessions.cancel({ params });
  const { events } = await follow(session, isTurnEnd);
  expect(events.at(-1)).toMatchObject({ stop_reason: "cancelled" });
  expect((await get(session)).modes?.current).toBe("code");
});

test("the reason of a failure is masked", async () => {
  const value = "correct-horse-battery-staple";
  const params = { project_id: project.id, name: "SECRET" };
  await owner.api.projectSecrets.set({ params, body: { kind: "variable", value } });
  const session = await start(undefined, "refuse");
  const failed = await until(session, ({ status }) => status === "failed");
  expect(failed.detail).toContain("Incorrect API key: ***");
  const run = await waitForRunEnd(owner, session.run_id as string);
  expect(JSON.stringify(run)).not.toContain(value);
});

test("an agent answers no requests, and changes no modes", async () => {
  const session = await start("ask");
  const { permissions } = await until(session, ({ permissions: all }) => all.length === 1);
  const { data: key } = await owner.api.apiKeys.create({
    body: { name: "own", agent_id: agentId },
  });
  const agent = app.client(key.key as string).agentSessions;
  const params = { session_id: session.id };
  const request_id = permissions[0]?.request_id as string;
  const answer = agent.answer({ params: { ...params, request_id }, body: { option_id: "yes" } });
  await expectProblem(answer, 403, "insufficient_permission");
  const mode = agent.update({ params, body: { mode_id: "ask" } });
  await expectProblem(mode, 403, "insufficient_permission");
});
