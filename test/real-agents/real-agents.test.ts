/** The real agents, started by their presets, with a scripted model behind the gateway. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organizations/organizations.js";
import type { Project } from "#shared/api/projects/projects.js";
import type { Workspace } from "#shared/api/projects/workspaces.js";
import type { PresetName } from "#shared/preset-names.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  folderOf,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { waitForRunEnd } from "#test/support/fixtures/runs.js";
import { gitInRepository } from "#test/support/git/git.js";
import { send } from "#test/support/http/raw-request.js";
import { commandToFind } from "./find-key.js";
import { followTurn, textOf } from "./follow-turn.js";
import { installAgents } from "./install-agents.js";
import { startScriptedModel, type ScriptedModel } from "./scripted-model.js";

const KEY = "sk-ant-of-the-real-agents-0123456789";
const installed = await installAgents();
const [agents, suffix] =
  "folder" in installed ? [installed.folder, ""] : [null, `: ${installed.missing}`];

const script = [
  "set -e",
  "git status --short",
  "git log --oneline | head -n 1",
  "echo hello > hello.txt",
  "git add hello.txt",
  "git commit --quiet --message 'Add a greeting'",
  commandToFind(KEY, "found.json"),
].join("\n");

describe.skipIf(agents === null)(`real agents${suffix}`, { timeout: 600_000 }, () => {
  let model: ScriptedModel;
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  beforeAll(async () => {
    model = await startScriptedModel({
      steps: [{ path: "/workspace/later.txt", text: "later\n" }, { command: script }],
      message: "The greeting is there.",
    });
    const settings = {
      OMOI_MODEL_PRIVATE_HOSTS: "true",
      OMOI_SANDBOX_READONLY: agents ?? "",
      OMOI_RUN_MEMORY_MIB: "4096",
    };
    app = await startTestApp(settings, "real");
    owner = await app.person("Ada");
    org = await makeOrganization(owner);
    project = await makeProjectWith(owner, org.id, { "a.txt": "a\n" });
    for (const provider of ["anthropic", "openai"]) {
      await owner.api.organizationSecrets.set({
        params: { org_id: org.id, name: provider.toUpperCase() },
        body: { kind: "model", provider, value: KEY, base_url: model.url },
      });
    }
  });
  afterAll(async () => {
    await app?.close();
    await model?.close();
  });

  test.each<[PresetName, string | undefined]>([
    ["claude-code", undefined],
    ["opencode", "anthropic/claude-sonnet-4-5"],
  ])("%s edits, commits and finishes, and has no key", async (preset, name) => {
    const { data: presets } = await owner.api.presets.list();
    expect(presets.find((one) => one.name === preset)).toMatchObject({
      available: true,
      reason: null,
    });
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    startCounting(model);
    const { data: started } = await owner.api.runs.create({
      params: { agent_id: agent.id },
      body: { preset, prompt: "Add a greeting.", ...(name !== undefined && { model: name }) },
    });
    const run = await waitForRunEnd(owner, started.id);
    const log = await send(app, "GET", `/api/v1/runs/${run.id}/logs`, { token: owner.token });
    expect([run.status, run.status === "succeeded" ? "" : log.text]).toEqual(["succeeded", ""]);
    expect(run.result).toBe("The greeting is there.");

    // Its own commit is on the branch, then what it left uncommitted.
    const subjects = await gitInRepository(
      app,
      project,
      "log",
      "--format=%s",
      "-3",
      workspace.branch_name,
    );
    expect(subjects.split("\n")[1]).toBe("Add a greeting");
    expect(
      await gitInRepository(app, project, "show", `${workspace.branch_name}~1:hello.txt`),
    ).toBe("hello");
    expect(await gitInRepository(app, project, "show", `${workspace.branch_name}:later.txt`)).toBe(
      "later",
    );
    expect(run.repository).toMatchObject({ commits: 1, error: null });

    // The key went to the provider, and is nowhere in the run.
    expect(model.calls.length).toBeGreaterThan(1);
    for (const { headers } of model.calls) expect(headers["x-api-key"]).toBe(KEY);
    model.calls.length = 0;
    const found = await findings(workspace);
    expect(found.key).toEqual([]);
    // It looked in the right places: there it found the run's token.
    expect(found.token.some((place) => place.endsWith("environment"))).toBe(true);
    expect(found.token.some((place) => place.endsWith("memory"))).toBe(true);
    expect(log.text).not.toContain(KEY);

    const { cost_usd, ...tokens } = run.model_usage ?? { cost_usd: null };
    expect(tokens).toEqual(model.reported);
    expect(cost_usd).toBeGreaterThan(0);
    expect(run.egress.allowed).toBe(0);
  });

  test.each<[PresetName, string | undefined, string | undefined]>([
    // The mode in which a new session starts, and the one in which people are asked.
    ["claude-code", "default", undefined],
    ["codex", "agent-full-access", "read-only"],
    ["opencode", "build", undefined],
  ])("%s holds a session and takes it up again", async (preset, mode, asking) => {
    startCounting(model);
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    const { data: session } = await owner.api.agentSessions.create({
      params: { agent_id: agent.id },
      body: { preset },
    });
    const params = { session_id: session.id };
    const get = async () => (await owner.api.agentSessions.get({ params })).data;
    const until = (part: object) => expect.poll(get).toMatchObject(part);
    await until({ status: "idle", can_resume: true, modes: { current: mode } });
    if (asking !== undefined) {
      await owner.api.agentSessions.update({ params, body: { mode_id: asking } });
      await until({ modes: { current: asking } });
    }
    const { options } = await get();
    console.log(
      preset,
      JSON.stringify(
        options.map(({ id, category, current, values }) => [id, category, current, values.length]),
      ),
    );

    await owner.api.agentSessions.prompt({ params, body: { text: "Add a greeting." } });
    const first = await followTurn(app, owner, session.id, 1);
    for (const one of first) console.log(JSON.stringify(one).slice(0, 300));
    expect(first.at(-1)).toMatchObject({ type: "turn_end", stop_reason: "end_turn" });
    expect(textOf(first)).toContain("The greeting is there.");
    // It shows its edit, and asks for it and for the command.
    const calls = first.flatMap((event) => (event.type === "tool_call" ? event : []));
    expect(calls.flatMap(({ content = [] }) => content)).toContainEqual(
      expect.objectContaining({ type: "diff", path: "/workspace/later.txt", new_text: "later\n" }),
    );
    const requests = first.filter(({ type }) => type === "permission_request");
    console.log(requests.length);
    const found = await findings(workspace);
    expect(found.key).toEqual([]);
    expect(found.token.length).toBeGreaterThan(0);
    expect(JSON.stringify(first)).not.toContain(KEY);

    // Its program ends, and the next prompt starts it again, with what was chosen.
    const model_option = options.find(({ category }) => category === "model");
    const other = model_option?.values.find(({ value }) => value !== model_option.current);
    if (model_option && other) {
      const option = { id: model_option.id, value: other.value };
      await owner.api.agentSessions.update({ params, body: { option } });
      await until({
        options: expect.arrayContaining([
          expect.objectContaining({ id: option.id, current: option.value }),
        ]),
      });
    }
    const before = await get();
    await owner.api.runs.stop({ params: { run_id: before.run_id as string } });
    await owner.api.agentSessions.prompt({ params, body: { text: "Once more." } });
    const second = await followTurn(app, owner, session.id, 2);
    expect(second.at(-1)).toMatchObject({ stop_reason: "end_turn" });
    for (const one of second.slice(first.length)) console.log(JSON.stringify(one).slice(0, 300));
    const { data: closed } = await owner.api.agentSessions.close({ params });
    expect(closed.modes).toEqual(before.modes);
    expect(closed.options.map((o) => [o.id, o.current])).toEqual(
      before.options.map((o) => [o.id, o.current]),
    );
    expect(model.calls.at(-1)?.body).toContain("Add a greeting.");
    console.log(JSON.parse(model.calls.at(-1)?.body ?? "{}").model);
    const ended = await waitForRunEnd(owner, closed.run_id as string);
    console.log(JSON.stringify(ended.egress));
    const { cost_usd: _, ...tokens } = closed.model_usage ?? { cost_usd: null };
    expect(tokens).toEqual(model.reported);
    expect(
      await gitInRepository(app, project, "log", "--format=%s", workspace.branch_name),
    ).toContain("Add a greeting");
  });
});

/** Counts the tokens from zero. */
function startCounting(model: ScriptedModel): void {
  model.calls.length = 0;
  Object.assign(model.reported, {
    input_tokens: 0,
    output_tokens: 0,
    cache_read_tokens: 0,
    cache_write_tokens: 0,
    requests: 0,
  });
}

/** Where the run found the key and its token. */
async function findings(workspace: Workspace): Promise<Record<"key" | "token", string[]>> {
  const text = await readFile(join(folderOf(workspace), "found.json"), "utf8");
  return JSON.parse(text) as Record<"key" | "token", string[]>;
}
