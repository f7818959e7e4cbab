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
import { installAgents, isThorough } from "./install-agents.js";
import { startScriptedModel, type ScriptedModel } from "./scripted-model.js";

const codexRow: [PresetName, string, string, number] = [
  "codex",
  "agent-full-access",
  "read-only",
  2,
];
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

  test.each<[PresetName, string | null, string | null, number]>([
    // The mode of a new session, the one to choose instead, and how often people are asked then.
    ["claude-code", "default", null, 2],
    ...(isThorough ? [codexRow] : []),
    ["opencode", null, null, 0],
  ])("%s holds a session and takes it up again", async (preset, mode, chosen, requests) => {
    startCounting(model);
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    const { data: session } = await owner.api.agentSessions.create({
      params: { agent_id: agent.id },
      body: { preset },
    });
    const params = { session_id: session.id };
    const get = async () => (await owner.api.agentSessions.get({ params })).data;
    const change = (body: object) => owner.api.agentSessions.update({ params, body });
    await expect.poll(get).toMatchObject({ status: "idle" });
    expect((await get()).modes?.current ?? null).toBe(mode);
    if (chosen !== null) {
      await change({ mode_id: chosen });
      await expect.poll(get).toMatchObject({ modes: { current: chosen } });
    }
    const { options } = await get();
    const models = options.find(({ category }) => category === "model");
    const other = models?.values.find(({ value }) => value !== models.current);
    await change({ option: { id: models?.id, value: other?.value } });
    await expect
      .poll(async () => (await get()).options.find(({ id }) => id === models?.id)?.current)
      .toBe(other?.value);

    await owner.api.agentSessions.prompt({ params, body: { text: "Add a greeting." } });
    const first = await followTurn(app, owner, session.id, 1);
    expect(first.at(-1)).toMatchObject({ type: "turn_end", stop_reason: "end_turn" });
    expect(textOf(first)).toContain("The greeting is there.");
    const calls = first.flatMap((event) => (event.type === "tool_call" ? event : []));
    expect(calls.some(({ kind }) => kind === "edit")).toBe(true);
    // OpenCode does not show its edits.
    const diffs = calls.flatMap(({ content = [] }) =>
      content.filter(({ type }) => type === "diff"),
    );
    expect(diffs).toEqual(
      preset === "opencode"
        ? []
        : [{ type: "diff", path: "/workspace/later.txt", old_text: null, new_text: "later\n" }],
    );
    expect(first.filter(({ type }) => type === "permission_request")).toHaveLength(requests);
    for (const { headers } of model.calls) expect(JSON.stringify(headers)).toContain(KEY);
    const found = await findings(workspace);
    expect(found.key).toEqual([]);
    expect(found.token.some((place) => place.endsWith("memory"))).toBe(true);
    expect(JSON.stringify(first)).not.toContain(KEY);

    // Its program ends, and the next prompt starts it again, with its history and what was chosen.
    const before = await get();
    expect(before.can_resume).toBe(true);
    await owner.api.runs.stop({ params: { run_id: before.run_id as string } });
    await owner.api.agentSessions.prompt({ params, body: { text: "Once more." } });
    const second = await followTurn(app, owner, session.id, 2);
    expect(second.at(-1)).toMatchObject({ stop_reason: "end_turn" });
    // The last call may ask for a title of the session.
    const asked = model.calls.filter(({ body }) => body.includes("Once more."));
    expect(asked.some(({ body }) => body.includes("Add a greeting."))).toBe(true);
    const { data: closed } = await owner.api.agentSessions.close({ params });
    expect(closed.modes).toEqual(before.modes);
    expect(closed.options).toEqual(before.options);
    const { egress } = await waitForRunEnd(owner, closed.run_id as string);
    expect(egress.allowed).toBe(0);
    const { cost_usd: _, ...tokens } = (await get()).model_usage ?? { cost_usd: null };
    expect(tokens).toEqual(model.reported);
    const subjects = gitInRepository(app, project, "log", "--format=%s", workspace.branch_name);
    expect(await subjects).toContain("Add a greeting");
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
