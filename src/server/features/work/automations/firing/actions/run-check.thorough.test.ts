import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Automation, Firing, NewAutomation } from "#shared/api/work/automations.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { shell } from "#test/support/fixtures/runs.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";

describe("automations that run a check", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  let projectId: string;

  beforeAll(async () => {
    app = await startTestApp({ OMOI_LOG_LEVEL: "error" }, "real");
    owner = await app.person("Ada");
    orgId = (await makeOrganization(owner)).id;
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    projectId = (await makeProjectWith(owner, orgId, { "a.txt": "1\n" })).id;
  });

  const setCheck = (script: string, name = "test") =>
    owner.api.mergeQueue.setCheck({
      params: { project_id: projectId, name },
      body: { command: shell(script) },
    });
  const make = async (more: Partial<NewAutomation> = {}): Promise<Automation> => {
    const body: NewAutomation = {
      name: "Test",
      triggers: [{ type: "schedule", cron: "0 3 * * *", timezone: "Europe/Berlin" }],
      action: { type: "run_check", name: "test" },
      ...more,
    };
    return (await owner.api.automations.create({ params: { project_id: projectId }, body })).data;
  };
  const paramsOf = ({ id }: Pick<Automation, "id">) => ({
    project_id: projectId,
    automation_id: id,
  });
  const run = async (automation: Automation, event?: { type: string }): Promise<Firing> => {
    const body = event === undefined ? {} : { event: event as { type: "manual" } };
    return (await owner.api.automations.run({ params: paramsOf(automation), body })).data;
  };
  const firingsOf = async (automation: Automation): Promise<Firing[]> =>
    (await owner.api.automations.firings({ params: paramsOf(automation) })).data;
  /** Waits until checks of an automation have ended. Returns them, newest first. */
  const ended = async (automation: Automation, count: number): Promise<Firing["check"][]> => {
    const list = async () =>
      (await firingsOf(automation))
        .map(({ check }) => check)
        .filter((check) => ["passed", "failed", "cancelled"].includes(check?.status ?? ""));
    await expect.poll(list).toHaveLength(count);
    return list();
  };
  /** A task whose agent has ended its turn, with a commit. */
  const work = async (files: Record<string, string>) => {
    const { data: task } = await owner.api.tasks.create({
      params: { project_id: projectId },
      body: { body: "say hello", preset: "custom", command: acpAgent(), network: "none" },
    });
    const read = async () => (await owner.api.tasks.get({ params: { task_id: task.id } })).data;
    await expect.poll(async () => (await read()).attention).not.toBeNull();
    const agent_id = task.attempts[0]?.agent_id ?? "";
    const { data: workspace } = await owner.api.workspaces.get({ params: { agent_id } });
    await commitFiles(owner, workspace, files);
    return { task, workspace };
  };

  test("the default branch is checked without an agent, and a test of it starts nothing", async () => {
    await setCheck("cat a.txt");
    const automation = await make();
    const { data: trial } = await owner.api.automations.test({
      params: paramsOf(automation),
      body: {},
    });
    expect(trial).toMatchObject({
      decision: "fired",
      prompt: null,
      check: { name: "test", branch: "main", commit_sha: null },
    });
    expect(await firingsOf(automation)).toEqual([]);
    expect(await run(automation)).toMatchObject({ decision: "fired", reason: null, task: null });
    const [check] = await ended(automation, 1);
    expect(check).toMatchObject({
      name: "test",
      status: "passed",
      branch: "main",
      agent_id: null,
      detail: null,
    });
    const { data } = await owner.api.runs.get({ params: { run_id: check?.run_id ?? "" } });
    expect(data).toMatchObject({ kind: "check", agent_id: null, status: "succeeded" });
  });

  test("the work of the event's task is checked as it would land, and a conflict is refused", async () => {
    await setCheck("cat a.txt b.txt && test ! -e c.txt");
    const automation = await make({ limits: { at_once: 10 } });
    const { task, workspace } = await work({ "b.txt": "2\n" });
    const event = { type: "task.done", task_id: task.id };
    expect(await run(automation, event)).toMatchObject({ task: { id: task.id } });
    const [passed] = await ended(automation, 1);
    expect(passed).toMatchObject({ status: "passed", agent_id: workspace.agent_id });
    // What lands on the target meanwhile is in the next one.
    const other = await makeWorkspace(owner, projectId);
    await commitFiles(owner, other.workspace, { "c.txt": "3\n" });
    await mergeIntoBase(owner, other.workspace);
    await run(automation, event);
    const [failed] = await ended(automation, 2);
    expect(failed).toMatchObject({ status: "failed", detail: expect.stringContaining("code 1") });
    expect(failed?.commit_sha).not.toBe(passed?.commit_sha);
    await commitFiles(owner, other.workspace, { "b.txt": "theirs\n" });
    await mergeIntoBase(owner, other.workspace);
    const reason = "The change conflicts with main, so there is no commit to check.";
    expect(await run(automation, event)).toMatchObject({ decision: "refused", reason });
  });

  test("a branch that gets commits is checked at the event's commit", async () => {
    await setCheck("true");
    const automation = await make({ triggers: [{ type: "event", types: ["branch.updated"] }] });
    const { workspace } = await makeWorkspace(owner, projectId);
    await commitFiles(owner, workspace, { "b.txt": "2\n" });
    const merge = await mergeIntoBase(owner, workspace);
    const [check] = await ended(automation, 1);
    expect(check).toMatchObject({ status: "passed", branch: "main" });
    expect(check?.commit_sha).toBe(merge.merge_commit_sha);
  });

  test("its limits hold: a day, and at once by skipping, queueing and replacing", async () => {
    await setCheck("sleep 60");
    const skipping = await make({ overlap: "skip", limits: { per_day: 3, at_once: 1 } });
    await run(skipping);
    const skipped = { decision: "skipped", reason: "The last one still runs.", check: null };
    expect(await run(skipping)).toMatchObject(skipped);
    const replacing = await make({ overlap: "replace", limits: { per_day: 2, at_once: 1 } });
    await run(replacing);
    expect(await run(replacing)).toMatchObject({ decision: "fired" });
    const [replaced] = await ended(replacing, 1);
    expect(replaced).toMatchObject({
      status: "cancelled",
      detail: "A later event of its automation has replaced it.",
    });
    const limit = "It has fired 2 times today, which is its limit.";
    expect(await run(replacing)).toMatchObject({ decision: "refused", reason: limit });
    for (const automation of [skipping, replacing]) {
      await owner.api.automations.delete({ params: paramsOf(automation) });
    }
    // The deletion has ended their checks, so that others have room.
    await setCheck("sleep 1", "short");
    const queueing = await make({
      action: { type: "run_check", name: "short" },
      overlap: "queue",
      limits: { at_once: 1 },
    });
    await run(queueing);
    expect(await run(queueing)).toMatchObject({ decision: "queued", check: null });
    await ended(queueing, 2);
  });

  test("a check that fails is no failure of the automation, and links of its chain end", async () => {
    await setCheck("exit 3");
    const automation = await make({
      triggers: [{ type: "event", types: ["check.failed", "run.failed"] }],
      limits: { at_once: 10 },
    });
    await run(automation);
    await expect
      .poll(async () => (await firingsOf(automation)).map(({ decision }) => decision), {
        timeout: 120_000,
      })
      .toEqual(["refused", "fired", "fired", "fired", "fired", "fired"]);
    const [last, ...before] = await firingsOf(automation);
    expect(last).toMatchObject({ type: "check.failed", chain: 6 });
    expect(last?.reason).toContain("5 times");
    expect(before.every(({ check }) => check?.status === "failed")).toBe(true);
    expect(before[0]?.check?.detail).toContain("code 3");
    const { data } = await owner.api.automations.get({ params: paramsOf(automation) });
    expect(data.status).toBe("active");
  });

  test("a check that was deleted fails the firing", async () => {
    await setCheck("true");
    const automation = await make();
    await owner.api.mergeQueue.deleteCheck({ params: { project_id: projectId, name: "test" } });
    const reason = "The project no longer has a check named test.";
    expect(await run(automation)).toMatchObject({ decision: "failed", reason });
    const { data } = await owner.api.automations.test({ params: paramsOf(automation), body: {} });
    expect(data).toMatchObject({ decision: "refused", check: null });
  });

  test("an unknown check, one of another project, and a name that is none are refused", async () => {
    const other = projectId;
    await setCheck("true", "theirs");
    projectId = (await makeProjectWith(owner, orgId, { "a.txt": "1\n" })).id;
    await setCheck("true");
    for (const name of ["theirs", "missing", "../test", "", "a".repeat(64)]) {
      await expectProblem(make({ action: { type: "run_check", name } }), 422, "validation_failed");
    }
    const automation = await make();
    const change = () =>
      owner.api.automations.update({
        params: paramsOf(automation),
        body: { action: { type: "run_check", name: "theirs" } },
      });
    await expectProblem(change(), 422, "validation_failed");
    await expectProblem(
      owner.api.automations.get({ params: { project_id: other, automation_id: automation.id } }),
      404,
      "not_found",
    );
  });

  test("an event without a commit here is refused with the reason", async () => {
    await setCheck("true");
    const automation = await make();
    const refusals = [
      ["pull_request.opened", { pull_request: { number: 1 } }, "belongs to no task"],
      ["branch.updated", { branch: "missing" }, "no branch missing"],
      ["branch.updated", { branch: "../../etc" }, "no branch"],
      ["branch.updated", { branch: "main", commit: "0".repeat(40) }, "no longer has that commit"],
    ] as const;
    for (const [type, values, reason] of refusals) {
      const firing = await run(automation, { type, values } as { type: string });
      expect(firing).toMatchObject({ decision: "refused", check: null });
      expect(firing.reason).toContain(reason);
    }
  });
});
