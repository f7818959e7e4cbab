/** Each template of automations with a real program, whose model is scripted: from its event to what it promises. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Automation } from "#shared/api/work/automations.js";
import type { Task } from "#shared/api/work/tasks.js";
import type { PresetName } from "#shared/execution/run-choices.js";
import { automationTemplates } from "../../src/web/features/work/parts/automations/automation-templates.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { commitFiles, makeWorkspace, mergeIntoBase } from "#test/support/fixtures/factories.js";
import { makeLinkedProject, type LinkedProject } from "#test/support/forges/linked-project.js";
import { gitInRepository } from "#test/support/git/git.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { followTurn } from "./follow-turn.js";
import { installAgents } from "./install-agents.js";
import {
  startScriptedModel,
  type Script,
  type ScriptedModel,
  type Step,
} from "./scripted-model.js";

const installed = await installAgents();
const [agents, suffix] =
  "folder" in installed ? [installed.folder, ""] : [null, `: ${installed.missing}`];

const files = {
  "total.ts": "export const total = 1;\n",
  "price.ts": "export const price = 1;\n",
  "package.json": '{ "name": "shop", "dependencies": { "left-pad": "1.0.0" } }\n',
  "CHANGELOG.md": "# Changes\n",
  "test.sh": "exit 0\n",
};
const commit = (message: string): string => `git add -A && git commit --quiet -m '${message}'`;

describe.skipIf(agents === null)(`templates of automations${suffix}`, { timeout: 400_000 }, () => {
  const script: Script = { steps: [], message: "" };
  let model: ScriptedModel;
  let app: TestApp;
  let owner: TestPerson;
  let world: LinkedProject;
  let automation: Automation | null = null;
  let isLinked = false;

  beforeAll(async () => {
    model = await startScriptedModel(script);
    const settings = {
      OMOI_MODEL_PRIVATE_HOSTS: "true",
      OMOI_FORGE_PRIVATE_HOSTS: "true",
      OMOI_SANDBOX_READONLY: agents ?? "",
      OMOI_RUN_MEMORY_MIB: "4096",
      OMOI_LOG_LEVEL: "error",
    };
    app = await startTestApp(settings, "real");
    owner = await app.person("Ada");
  }, 120_000);
  beforeEach(async () => {
    if (isLinked) return;
    isLinked = true;
    world = await makeLinkedProject(owner, "github", "webhook", files);
    const params = { org_id: world.orgId };
    await owner.api.organizations.update({ params, body: { max_concurrent_agents: 20 } });
    for (const provider of ["anthropic", "openai"]) {
      await owner.api.organizationSecrets.set({
        params: { org_id: world.orgId, name: provider.toUpperCase() },
        body: { kind: "model", provider, value: "sk-of-a-template", base_url: model.url },
      });
    }
  }, 120_000);
  afterEach(async () => {
    if (automation !== null) await owner.api.automations.delete({ params: at(automation) });
    automation = null;
    expect(world.double.violations).toEqual([]);
  });
  afterAll(async () => {
    await app?.close();
    await world?.double.close();
    await model?.close();
  });

  const at = ({ id }: Automation) => ({ project_id: world.project.id, automation_id: id });
  /** Lets a program do the steps, after those that it has done before in the session. */
  const letDo = (steps: Step[], message: string): void => {
    Object.assign(script, { steps, message });
    model.calls.length = 0;
  };
  const useProgram = async (preset: PresetName): Promise<void> => {
    const params = { project_id: world.project.id };
    await owner.api.projects.update({ params, body: { default_preset: preset } });
  };
  /** Creates the automation of a template, as the page does. */
  const begin = async (key: string): Promise<Automation> => {
    const template = automationTemplates("Europe/Berlin").find((one) => one.key === key);
    if (template === undefined) throw new Error(`no template ${key}`);
    const { key: _key, description: _description, ...body } = template;
    const params = { project_id: world.project.id };
    automation = (await owner.api.automations.create({ params, body })).data;
    return automation;
  };
  const read = async (id: string): Promise<Task> =>
    (await owner.api.tasks.get({ params: { task_id: id } })).data;
  /** Waits until a firing has acted. Returns its task, whose session has begun. */
  const firedTask = async (): Promise<{ task: Task; sessionId: string }> => {
    const fired = async () => {
      const { data } = await owner.api.automations.firings({
        params: at(automation as Automation),
      });
      return data.map(({ decision, reason, task }) => [decision, reason, task !== null]);
    };
    await expect.poll(fired, { timeout: 120_000 }).toEqual([["fired", null, true]]);
    const { data } = await owner.api.automations.firings({ params: at(automation as Automation) });
    const id = data[0]?.task?.id ?? "";
    await expect
      .poll(async () => (await read(id)).attempts[0]?.session_id)
      .toEqual(expect.any(String));
    const task = await read(id);
    return { task, sessionId: task.attempts[0]?.session_id ?? "" };
  };
  /** Expects that the model was asked for the work by a text. */
  const expectAsked = (...texts: string[]): void => {
    const bodies = model.calls.map(({ body }) => body);
    for (const text of texts) {
      const inJson = JSON.stringify(text).slice(1, -1);
      expect([text, bodies.some((body) => body.includes(inJson))]).toEqual([text, true]);
    }
  };
  const expectAnswer = async (id: string, kind: "review" | "no_changes"): Promise<void> =>
    expect
      .poll(async () => (await read(id)).attention, { timeout: 120_000 })
      .toMatchObject({ kind, summary: expect.stringContaining(script.message) });
  const show = async ({ branch }: Task, path: string): Promise<string> =>
    gitInRepository(app, world.project, "show", `${branch}:${path}`);

  /** A task with a commit and an open pull request. */
  const openRequest = async (first: Step[]) => {
    letDo(first, "It is written.");
    const { data: task } = await owner.api.tasks.create({
      params: { project_id: world.project.id },
      body: { body: "Write the total." },
    });
    const sessionId = task.attempts[0]?.session_id ?? "";
    await followTurn(app, owner, sessionId, 1);
    await expect.poll(async () => (await read(task.id)).status).toBe("in_review");
    const { data: request } = await owner.api.pullRequests.open({
      params: { task_id: task.id },
      body: {},
    });
    const pull = world.shop.pull(request.number ?? 0);
    if (pull === undefined) throw new Error("no pull request");
    await world.double.outbox.idle();
    return { task, sessionId, request, pull };
  };

  test("triage new issues: the agent reads the code, changes nothing and answers", async () => {
    await useProgram("claude-code");
    await begin("triage-issues");
    letDo(
      [{ command: "grep -n total total.ts" }],
      "Cents are lost in total.ts, line 1. Label: bug.",
    );
    const issue = world.shop.openIssue("Round half cents", "The total is one cent too low.");
    const { task, sessionId } = await firedTask();
    expect(task).toMatchObject({
      title: `Triage #${issue.number}: Round half cents`,
      labels: ["triage"],
    });
    await followTurn(app, owner, sessionId, 1);
    expectAsked(
      `Triage issue #${issue.number} of Shop`,
      "The total is one cent too low.",
      "export const total = 1;",
    );
    await expectAnswer(task.id, "no_changes");
  });

  test("review every pull request: the agent gets the changes, and lists defects", async () => {
    await useProgram("opencode");
    await begin("review-pull-requests");
    letDo([{ command: "cat total.ts" }], "total.ts, line 1: the unit is missing.");
    await world.shop.commit("half-cents", { "total.ts": "export const total = 1.5;\n" });
    const pull = await world.shop.open({
      title: "Keep half cents",
      body: "Totals are exact.",
      head: "half-cents",
      base: "main",
      draft: false,
    });
    const { task, sessionId } = await firedTask();
    expect(task).toMatchObject({
      title: `Review #${pull.number}: Keep half cents`,
      labels: ["review"],
    });
    await followTurn(app, owner, sessionId, 1);
    expectAsked("Totals are exact.", "from half-cents into main", "+export const total = 1.5;");
    await expectAnswer(task.id, "no_changes");
  });

  test("fix a red check: the agent gets the log, and its commit is pushed", async () => {
    await useProgram("claude-code");
    const first = [{ command: `echo 'export const total = x;' > total.ts; ${commit("Total")}` }];
    const { sessionId, request } = await openRequest(first);
    await begin("fix-red-check");
    const fix = { command: `echo 'export const total = 2;' > total.ts; ${commit("Name x")}` };
    letDo([...first, fix], "The name was missing.");
    const red = (await world.shop.sha(request.head)) ?? "";
    world.shop.report(red, {
      name: "build",
      status: "failure",
      url: "https://ci.example.com/1",
      log: "total.ts(1,22): Cannot find name 'x'.",
    });
    await firedTask();
    await followTurn(app, owner, sessionId, 2);
    expectAsked("The check build of your change fails", "Cannot find name 'x'.");
    await expect.poll(async () => world.shop.sha(request.head)).not.toBe(red);
  });

  test("answer a review: the agent gets the words and places of the reviewer, and changes the code", async () => {
    await useProgram("opencode");
    const first = [{ command: `echo 'export const sum = 3;' > sum.ts; ${commit("Sum")}` }];
    const { task, sessionId, request, pull } = await openRequest(first);
    await begin("answer-review");
    const change = { command: `echo 'export const cents = 3;' > sum.ts; ${commit("Name it")}` };
    letDo([...first, change], "It is named after its unit.");
    const place = { path: "sum.ts", startLine: null, side: "new", sha: request.head_sha ?? "" };
    world.shop.openThread(pull, "lead", { ...place, side: "new", line: 1 }, "Name the unit.");
    world.shop.review(pull, { login: "lead", state: "CHANGES_REQUESTED", body: "Nearly there." });
    await firedTask();
    await followTurn(app, owner, sessionId, 2);
    expectAsked("lead asks for changes of your pull request", "Nearly there.", "Name the unit.");
    await expect
      .poll(async () => show(await read(task.id), "sum.ts"))
      .toBe("export const cents = 3;");
  });

  test("resolve conflicts ahead of the merge: the agent merges the newest target", async () => {
    await useProgram("claude-code");
    const first = [{ command: `echo 'export const price = 4;' > price.ts; ${commit("Four")}` }];
    letDo(first, "It is four.");
    const { data: task } = await owner.api.tasks.create({
      params: { project_id: world.project.id },
      body: { body: "Make the price four." },
    });
    const sessionId = task.attempts[0]?.session_id ?? "";
    await followTurn(app, owner, sessionId, 1);
    await expect.poll(async () => (await read(task.id)).status).toBe("in_review");
    await begin("resolve-conflicts");
    const path = new URL(world.project.clone_url).pathname;
    const merge = [
      `git -c http.extraHeader="Authorization: Bearer $OMOI_TOKEN" fetch "$OMOI_URL${path}" main`,
      "git merge FETCH_HEAD; echo 'export const price = 4 + 5;' > price.ts",
      commit("Merge main"),
    ];
    letDo([...first, { command: merge.join("\n") }], "Both are kept.");
    const { workspace } = await makeWorkspace(owner, world.project.id);
    await commitFiles(owner, workspace, { "price.ts": "export const price = 5;\n" });
    const merged = await mergeIntoBase(owner, workspace);
    const fired = await firedTask();
    expect(fired.task.id).toBe(task.id);
    await followTurn(app, owner, sessionId, 2);
    expectAsked("Your change conflicts with other work on main", `$OMOI_URL${path}`);
    const now = await read(task.id);
    await expect.poll(async () => show(now, "price.ts")).toBe("export const price = 4 + 5;");
    const target = merged.merge_commit_sha ?? "";
    // Its merge commit follows the files, once the turn is saved.
    const missing = () =>
      gitInRepository(app, world.project, "rev-list", "--count", `${now.branch}..${target}`);
    await expect.poll(missing).toBe("0");
  });

  const schedules: [string, PresetName, string, Step[], string, string, string | null][] = [
    [
      "weekly-dependencies",
      "claude-code",
      "Monday 07:00",
      [{ command: `sed -i 's/1.0.0/1.3.0/' package.json && ${commit("Update left-pad")}` }],
      "left-pad is 1.3.0 now.",
      "Update the dependencies of Shop",
      "package.json",
    ],
    [
      "release-notes",
      "opencode",
      "Friday 15:00",
      [{ command: `echo '- Totals round up.' >> CHANGELOG.md && ${commit("Write the notes")}` }],
      "One change is noted.",
      "Write the release notes of Shop",
      "CHANGELOG.md",
    ],
    [
      "nightly-flaky-tests",
      "claude-code",
      "02:00",
      [{ command: "for i in 1 2 3; do sh test.sh || echo red; done; echo ran" }],
      "All tests are stable.",
      "Run the test suite of Shop ten times",
      null,
    ],
  ];
  test.each(schedules)(
    "%s: %s begins by its schedule, %s in Berlin",
    async (key, preset, time, steps, message, prompt, path) => {
      await useProgram(preset);
      letDo(steps, message);
      const { id, next, next_at } = await begin(key);
      const local = new Intl.DateTimeFormat("en-GB", {
        timeZone: "Europe/Berlin",
        weekday: "long",
        hour: "2-digit",
        minute: "2-digit",
      });
      for (const due of next) expect(local.format(new Date(due))).toContain(time);
      // Its time passes, as on a server that was down then.
      await queryAsOwner(
        app,
        "update automations set next_at = next_at - interval '14 days' where id = $1",
        [id],
      );
      const { task, sessionId } = await firedTask();
      await followTurn(app, owner, sessionId, 1);
      expectAsked(prompt);
      await expectAnswer(task.id, path === null ? "no_changes" : "review");
      if (path !== null) {
        const before = files[path as keyof typeof files];
        expect(`${await show(await read(task.id), path)}\n`).not.toBe(before);
      }
      const { data } = await owner.api.automations.get({ params: at(automation as Automation) });
      expect(data.next_at).toBe(next_at);
    },
  );
});
