/** The real agents, started by their presets, with a scripted model behind the gateway. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organizations/organizations.js";
import { setTimeout as pause } from "node:timers/promises";
import type { SessionEvent } from "#shared/api/agents/sessions.js";
import type { Project } from "#shared/api/projects/projects.js";
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
import { eventsOf } from "#test/support/fixtures/session-events.js";
import { commandToFind } from "./find-key.js";
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
  "echo later > later.txt",
  commandToFind(KEY, "found.json"),
].join("\n");

describe.skipIf(agents === null)(`real agents${suffix}`, { timeout: 600_000 }, () => {
  let model: ScriptedModel;
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  beforeAll(async () => {
    model = await startScriptedModel({ command: script, message: "The greeting is there." });
    const settings = {
      OMOI_MODEL_PRIVATE_HOSTS: "true",
      OMOI_SANDBOX_READONLY: agents ?? "",
      OMOI_RUN_MEMORY_MIB: "4096",
    };
    app = await startTestApp(settings, "real");
    owner = await app.person("Ada");
    org = await makeOrganization(owner);
    project = await makeProjectWith(owner, org.id, { "a.txt": "a\n" });
    await owner.api.organizationSecrets.set({
      params: { org_id: org.id, name: "ANTHROPIC" },
      body: { kind: "model", provider: "anthropic", value: KEY, base_url: model.url },
    });
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
    Object.assign(model.reported, {
      input_tokens: 0,
      output_tokens: 0,
      cache_read_tokens: 0,
      cache_write_tokens: 0,
      requests: 0,
    });
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
    const found = JSON.parse(await readFile(join(folderOf(workspace), "found.json"), "utf8")) as {
      places: number;
      key: string[];
      token: string[];
    };
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

  test("opencode holds a session, asks for permissions or not, and takes it up again", async () => {
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    const { data: session } = await owner.api.agentSessions.create({
      params: { agent_id: agent.id },
      body: { preset: "opencode", prompt: "Add a greeting." },
    });
    const params = { session_id: session.id };
    /** Follows the session to the nth end of a turn, and allows what the program asks for. */
    const turn = async (count: number): Promise<SessionEvent[]> => {
      for (;;) {
        const { data: now } = await owner.api.agentSessions.get({ params });
        if (now.status === "failed") throw new Error(now.detail ?? "it failed");
        for (const { request_id, options } of now.permissions) {
          const option = options.find(({ kind }) => kind === "allow_once") ?? options[0];
          const body = { option_id: option?.option_id ?? "" };
          await owner.api.agentSessions.answer({ params: { ...params, request_id }, body });
        }
        const events = await eventsOf(app, owner, session.id);
        if (events.filter(({ type }) => type === "turn_end").length >= count) return events;
        await pause(200);
      }
    };
    const first = await turn(1);
    expect(first.at(-1)).toMatchObject({ type: "turn_end", stop_reason: "end_turn" });
    const said = first.flatMap((event) => (event.type === "message" ? event.text : []));
    expect(said.join("")).toContain("The greeting is there.");
    expect(first.some(({ type }) => type === "tool_call")).toBe(true);
    expect(JSON.stringify(first)).not.toContain(KEY);

    // Its program ends, and the next prompt starts it again.
    const { data: before } = await owner.api.agentSessions.get({ params });
    expect(before).toMatchObject({ can_resume: true });
    await owner.api.runs.stop({ params: { run_id: before.run_id as string } });
    await owner.api.agentSessions.prompt({ params, body: { text: "Once more." } });
    const second = await turn(2);
    expect(second.at(-1)).toMatchObject({ stop_reason: "end_turn" });
    const { data: closed } = await owner.api.agentSessions.close({ params });
    expect(closed.model_usage?.requests).toBeGreaterThan(1);
    await waitForRunEnd(owner, closed.run_id as string);
    expect(
      await gitInRepository(app, project, "log", "--format=%s", workspace.branch_name),
    ).toContain("Add a greeting");
  });
});
