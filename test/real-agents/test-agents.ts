/** What the real agents have to do, started by their presets, with a scripted model behind the gateway. */
import { mkdtemp, chmod, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import type { ReviewerName } from "#shared/execution/run-choices.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  folderOf,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { makeReviewedTask } from "#test/support/fixtures/reviewed-task.js";
import { waitForOpinion } from "#test/support/fixtures/reviewers.js";
import { waitForRunEnd } from "#test/support/fixtures/runs.js";
import { gitInRepository } from "#test/support/git/git.js";
import { send } from "#test/support/http/raw-request.js";
import { builtFile } from "#test/support/server/built-files.js";
import { commandToFind } from "./find-key.js";
import { followTurn, textOf } from "./follow-turn.js";
import { foldersOf, type Installed } from "./install-agents.js";
import { startScriptedModel, type ScriptedModel } from "./scripted-model.js";

/** A program, and how it differs from others. */
interface RealAgent {
  preset: ReviewerName;
  /** The model of its runs; undefined for its default. */
  model?: string;
  session: {
    /** The mode of a new session; null if it has none. */
    mode: string | null;
    /** The mode in which people are asked; null if it is the first. */
    chosen: string | null;
    /** How often people are asked for an edit and a command in that mode. */
    requests: number;
    showsEdits: boolean;
  };
}

const KEY = "sk-ant-of-the-real-agents-0123456789";

const script = [
  "set -e",
  "git status --short",
  "git log --oneline | head -n 1",
  "echo hello > hello.txt",
  "git add hello.txt",
  "git commit --quiet --message 'Add a greeting'",
  commandToFind(KEY, "found.json"),
].join("\n");

const steps = [{ path: "/workspace/later.txt", text: "later\n" }, { command: script }];

/** The command that answers every open thread of the task of a run, which `omoi` finds by its token. */
const answerThreads = [
  "set -e",
  "echo hello, Ada > hello.txt",
  "git commit --quiet --all --message 'Greet Ada'",
  `omoi review threads --json | node -e '
    for (const { id } of JSON.parse(require("node:fs").readFileSync(0, "utf8"))) console.log(id);' > ids`,
  "for id in $(cat ids); do omoi review reply $id 'It greets Ada.'; omoi review resolve $id; done",
  "rm ids",
].join("\n");

/** Declares the tests of programs. */
export function testAgents(installed: Installed, agents: readonly RealAgent[]): void {
  const isMissing = "missing" in installed;
  const suffix = isMissing ? `: ${installed.missing}` : "";
  const tested = agents.map((agent) => [agent.preset, agent] as const);
  describe.skipIf(isMissing)(`real agents${suffix}`, { timeout: 600_000 }, () => {
    let model: ScriptedModel;
    let tools: string;
    let app: TestApp;
    let owner: TestPerson;
    let org: Organization;
    let project: Project;
    beforeAll(async () => {
      model = await startScriptedModel({
        steps: [...steps],
        message: "The greeting is there.",
      });
      tools = await installOmoi();
      const settings = {
        OMOI_MODEL_PRIVATE_HOSTS: "true",
        OMOI_SANDBOX_READONLY: [...foldersOf(installed), tools, dirname(builtFile("cli"))].join(
          ":",
        ),
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
      if (tools) await rm(tools, { recursive: true });
    });

    test.each(tested)(
      "%s edits, commits and finishes, and has no key",
      async (preset, { model: name }) => {
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
        expect(
          await gitInRepository(app, project, "show", `${workspace.branch_name}:later.txt`),
        ).toBe("later");
        expect(run.repository).toMatchObject({ commits: 1, error: null });

        // The key went to the provider, and is nowhere in the run.
        expect(model.calls.length).toBeGreaterThan(1);
        for (const { headers } of model.calls) {
          expect(headers["x-api-key"] ?? headers.authorization).toMatch(
            new RegExp(`^(?:Bearer )?${KEY}$`),
          );
        }
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
        // Codex would send its metrics there.
        const { data: tried } = await owner.api.runs.egress({ params: { run_id: run.id } });
        expect(tried.map(({ host }) => host)).not.toContain("ab.chatgpt.com");
      },
    );

    /** Lets a project's agents ask a model of their own. */
    async function setModel(project_id: string, base_url: string): Promise<void> {
      for (const provider of ["anthropic", "openai"]) {
        await owner.api.projectSecrets.set({
          params: { project_id, name: provider.toUpperCase() },
          body: { kind: "model", provider, value: KEY, base_url },
        });
      }
    }

    test.each(tested)(
      "a task ends as a merged change of %s, which answers a review",
      async (preset) => {
        const own = await makeProjectWith(owner, org.id, { "a.txt": "a\n" });
        const working = await startScriptedModel({
          steps: [...steps],
          message: "The greeting is there.",
        });
        try {
          await setModel(own.id, working.url);
          const { data: task } = await owner.api.tasks.create({
            params: { project_id: own.id },
            body: { body: "Add a greeting.", preset },
          });
          const params = { task_id: task.id };
          const get = async () => (await owner.api.tasks.get({ params })).data;
          const session = task.attempts[0]?.session_id as string;
          await followTurn(app, owner, session, 1);
          await expect.poll(get).toMatchObject({
            status: "in_review",
            attention: { kind: "review", summary: "The greeting is there." },
          });
          // A request for changes is its next prompt, with the place of each comment.
          const { data: changes } = await owner.api.reviews.changes({ params });
          const comment = { path: "hello.txt", line: 1, body: "Name whom you greet." };
          working.script.steps.push({ command: answerThreads });
          working.script.message = "Ada is greeted.";
          await owner.api.reviews.publish({
            params,
            body: {
              verdict: "request_changes",
              commit_sha: changes.commit_sha,
              comments: [comment],
            },
          });
          const events = await followTurn(app, owner, session, 2);
          expect(textOf(events)).toContain("Ada is greeted.");
          const asked = working.calls.filter(({ body }) => body.includes(comment.body));
          expect(asked.some(({ body }) => body.includes("hello.txt, line 1"))).toBe(true);
          await expect.poll(get).toMatchObject({ status: "in_review" });
          const { data: threads } = await owner.api.threads.list({ params });
          expect(threads).toMatchObject([
            {
              path: comment.path,
              line: comment.line,
              resolved_at: expect.any(String),
              resolved_without_change: false,
              comments: [
                { body: comment.body, author: { type: "user" } },
                { body: "It greets Ada.", author: { type: "agent" } },
              ],
            },
          ]);
          const { data: merged } = await owner.api.tasks.merge({ params });
          expect(merged).toMatchObject({ status: "done", attempts: [{ status: "merged" }] });
          expect(merged.model_tokens).toBeGreaterThan(0);
          expect(merged.cost_usd).toBeGreaterThan(0);
          expect(await gitInRepository(app, own, "show", "main:hello.txt")).toBe("hello, Ada");
          expect(await gitInRepository(app, own, "show", "main:later.txt")).toBe("later");
        } finally {
          await working.close();
        }
      },
    );

    test.each(tested)(
      "%s gives a second opinion on the work of another agent",
      async (preset, { model: name }) => {
        const own = await makeProjectWith(owner, org.id, { "a.txt": "a\n" });
        const made = await makeReviewedTask(app, owner, own.id, { "a.txt": "a\nb\n" });
        const review = {
          verdict: "request_changes",
          body: "A line is too much.",
          comments: [{ path: "a.txt", line: 2, body: "What is it for?" }],
        };
        const reviewing = await startScriptedModel({
          steps: [{ command: "cat a.txt; touch mine.txt" }],
          message: JSON.stringify(review),
        });
        try {
          await setModel(own.id, reviewing.url);
          const { data: asked } = await owner.api.opinions.ask({
            params: { task_id: made.task.id },
            body: { preset, prompt: "Needless lines", ...(name !== undefined && { model: name }) },
          });
          const opinion = await waitForOpinion(owner, asked.id, 400_000);
          expect([opinion.status, opinion.detail]).toEqual(["done", null]);
          expect(opinion).toMatchObject({ verdict: "request_changes", open_threads: 1 });
          expect(opinion.cost_usd).toBeGreaterThan(0);
          const params = { task_id: made.task.id };
          const { data: threads } = await owner.api.threads.list({ params });
          expect(threads).toMatchObject([{ path: "a.txt", line: 2, original: { text: "b" } }]);
          // It was asked for this, read the file, and wrote nothing.
          const bodies = reviewing.calls.map(({ body }) => body);
          expect(bodies.some((body) => body.includes("Needless lines"))).toBe(true);
          expect(bodies.some((body) => body.includes("Read-only file system"))).toBe(true);
          const { data: task } = await owner.api.tasks.get({ params });
          expect(task.cost_usd).toBe(opinion.cost_usd);
          const run = await waitForRunEnd(owner, opinion.run_id as string);
          expect(run.egress.allowed).toBe(0);
        } finally {
          await reviewing.close();
        }
      },
    );

    test.each(tested)(
      "%s holds a session and takes it up again",
      async (preset, { session: expected }) => {
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
        expect((await get()).modes?.current ?? null).toBe(expected.mode);
        const { chosen } = expected;
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
        const diffs = calls.flatMap(({ content = [] }) =>
          content.filter(({ type }) => type === "diff"),
        );
        expect(diffs).toEqual(
          expected.showsEdits
            ? [{ type: "diff", path: "/workspace/later.txt", old_text: null, new_text: "later\n" }]
            : [],
        );
        expect(first.filter(({ type }) => type === "permission_request")).toHaveLength(
          expected.requests,
        );
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
      },
    );
  });
}

/** Returns a folder with `omoi`, as an operator installs it for runs. */
async function installOmoi(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "omoi-for-runs-"));
  const program = `#!/bin/sh\nexec node ${builtFile("cli/main.js")} "$@"\n`;
  await writeFile(join(folder, "omoi"), program);
  for (const path of [folder, join(folder, "omoi")]) await chmod(path, 0o755);
  return folder;
}

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
