/** Presets that are certain to fail are refused with the cure. */
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { NewRun } from "#shared/api/execution/runs.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { PresetName } from "#shared/execution/run-choices.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { waitForRunEnd } from "#test/support/fixtures/runs.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";

const PROGRAMS = ["claude", "claude-agent-acp", "codex", "codex-acp", "gemini", "opencode"];

let app: TestApp;
let owner: TestPerson;
let org: Organization;
let project: Project;
let tools: string;
let agentId: string;
beforeAll(async () => {
  tools = await mkdtemp(join(tmpdir(), "omoi-tools-"));
  await chmod(tools, 0o755);
  app = await startTestApp({ OMOI_SANDBOX_READONLY: tools }, "real");
  owner = await app.person("Ada");
});
afterAll(async () => {
  await app?.close();
  await rm(tools, { recursive: true });
});
beforeEach(async () => {
  org = await makeOrganization(owner);
  project = await makeProject(owner, org.id);
  agentId = (await makeWorkspace(owner, project.id)).agent.id;
  for (const program of PROGRAMS) {
    await writeFile(join(tools, program), "#!/bin/sh\necho 1.2.3\n", { mode: 0o755 });
  }
});

const create = (body: NewRun) => owner.api.runs.create({ params: { agent_id: agentId }, body });
const run = (preset: PresetName, more: Partial<NewRun> = {}) =>
  create({ preset, prompt: "Write it", ...more });
const session = (preset: PresetName) =>
  owner.api.agentSessions.create({ params: { agent_id: agentId }, body: { preset } });
/** Starts a run, waits for its end, and returns its status. */
const finish = async (started: ReturnType<typeof run>): Promise<string> =>
  (await waitForRunEnd(owner, (await started).data.id)).status;

test.each<[PresetName, string, string]>([
  ["claude-code", "Claude Code", "ANTHROPIC_API_KEY"],
  ["codex", "Codex", "OPENAI_API_KEY"],
  ["gemini", "Gemini CLI", "GEMINI_API_KEY"],
  ["opencode", "OpenCode", "ANTHROPIC_API_KEY"],
])("a run and a session of %s without a key name the secret", async (preset, title, secret) => {
  const problem = await expectProblem(run(preset), 409, "missing_model_key");
  expect(problem).toMatchObject({
    secret,
    detail: `${title} needs a key of its model provider: set the secret ${secret} of the project or the organization, or give the run the variable ${secret}.`,
  });
  await expectProblem(run(preset, { queue: true }), 409, "missing_model_key");
  await expectProblem(run(preset, { env: { [secret]: "" } }), 409, "missing_model_key");
  const ofSession = await expectProblem(session(preset), 409, "missing_model_key");
  expect(ofSession.detail).toBe(
    `${title} needs a key of its model provider: set the secret ${secret} of the project or the organization.`,
  );
  const { data: runs } = await owner.api.runs.list({ params: { agent_id: agentId } });
  expect(runs).toEqual([]);
  expect(await finish(run(preset, { env: { [secret]: "a-key" } }))).toBe("succeeded");
});

test.each<[string, () => Promise<unknown>]>([
  [
    "secret of the organization",
    () =>
      owner.api.organizationSecrets.set({
        params: { org_id: org.id, name: "ANTHROPIC_API_KEY" },
        body: { kind: "variable", value: "a-key" },
      }),
  ],
  [
    "secret of the project",
    () =>
      owner.api.projectSecrets.set({
        params: { project_id: project.id, name: "CLAUDE_CODE_OAUTH_TOKEN" },
        body: { kind: "variable", value: "a-key" },
      }),
  ],
  [
    "key that stays with the server",
    () =>
      owner.api.organizationSecrets.set({
        params: { org_id: org.id, name: "ANTHROPIC" },
        body: { kind: "model", provider: "anthropic", value: "a-key" },
      }),
  ],
  [
    "variable of the project's environment",
    () =>
      owner.api.environments.set({
        params: { project_id: project.id },
        body: { variables: { CLAUDE_CODE_USE_BEDROCK: "1" } },
      }),
  ],
])("a %s is a key", async (_what, give) => {
  await expectProblem(run("claude-code"), 409, "missing_model_key");
  await give();
  expect(await finish(run("claude-code"))).toBe("succeeded");
});

/** Writes in the workspace and the home of the agent, by a run. */
const script = async (text: string): Promise<void> => {
  expect(await finish(create({ command: ["sh", "-c", text] }))).toBe("succeeded");
};

test.each([
  'mkdir "$HOME/.claude" && echo {} > "$HOME/.claude/.credentials.json"',
  "mkdir .claude && echo {} > .claude/settings.local.json",
  // It is not followed, so that it tells nothing about the server's files.
  "ln -s /no/such/folder .claude",
])("a file that may hold a key starts the run: %s", async (text) => {
  await script('mkdir -p "$HOME/.claude" other; rmdir "$HOME/.claude"');
  await expectProblem(run("claude-code"), 409, "missing_model_key");
  await script(text);
  expect(await finish(run("claude-code"))).toBe("succeeded");
});

test("OpenCode starts without a key for hosts that may need none", async () => {
  await expectProblem(run("opencode", { network: "none" }), 409, "missing_model_key");
  expect(await finish(run("opencode", { allowed_hosts: ["opencode.ai"] }))).toBe("succeeded");
});

test("a missing or broken program is named with the command that installs it", async () => {
  const env = { ANTHROPIC_API_KEY: "a-key" };
  await rm(join(tools, "claude"));
  const install = "npm install --global @anthropic-ai/claude-code";
  const missing = await expectProblem(run("claude-code", { env }), 409, "program_missing");
  expect(missing).toMatchObject({
    install,
    detail: `The program claude is not on the PATH of runs. Install it on the server's machine: ${install}`,
  });
  await writeFile(join(tools, "claude"), "#!/bin/sh\necho 'needs Node 22'; exit 3\n");
  await chmod(join(tools, "claude"), 0o755);
  const broken = await expectProblem(run("claude-code", { env }), 409, "program_missing");
  expect(broken.detail).toContain("exited with code 3 (needs Node 22)");
  await rm(join(tools, "claude-agent-acp"));
  const ofSession = await expectProblem(session("claude-code"), 409, "program_missing");
  expect(ofSession["install"]).toContain("claude-agent-acp");
  // The image of a container and a PATH of its own may have another one.
  await mkdir(join(tools, "bin"), { recursive: true });
  await symlink("/bin/true", join(tools, "bin", "claude"));
  const withPath = { ...env, PATH: `${tools}/bin:/usr/bin:/bin` };
  expect(await finish(run("claude-code", { env: withPath }))).toBe("succeeded");
});

test("a run on another machine is not judged by this one", async () => {
  await rm(join(tools, "claude"));
  const { data: agent } = await owner.api.agents.create({
    params: { org_id: org.id },
    body: { name: "elsewhere", project_id: project.id },
  } as never);
  const { id } = agent as { id: string };
  await owner.api.workspaces.create({
    params: { agent_id: id },
    body: { workspace_type: "remote" },
  });
  const body = { preset: "claude-code" as const, prompt: "Write it" };
  const request = owner.api.runs.create({ params: { agent_id: id }, body });
  // No runner is registered; nothing is said about programs and keys.
  await expectProblem(request, 409, "workspace_remote");
});
