/** Second opinions that a protected branch requires. */
import { describe, expect, test } from "vitest";
import { expectProblem } from "#test/support/server/app.js";
import { waitForRequest } from "#test/support/fixtures/merge-requests.js";
import { makeServiceAccount } from "#test/support/fixtures/service-accounts.js";
import { waitForRunEnd } from "#test/support/fixtures/runs.js";
import {
  changes,
  app,
  owner,
  reviewers,
  project,
  made,
  merge,
  opinions,
  until,
  blocked,
  prepareRequiredOpinions,
} from "#test/support/fixtures/required-opinions.js";

describe("required second opinions", () => {
  prepareRequiredOpinions();

  test("a merge waits for the opinion, and lands once it has none against it", async () => {
    await expectProblem(
      owner.api.workspaces.createMerge({
        params: { agent_id: made.workspace.agent_id },
        body: {},
      }),
      409,
      "branch_protected",
    );
    const { id } = await merge();
    expect(await waitForRequest(owner, id)).toMatchObject({ status: "merged", approvals: [] });
    expect(await opinions()).toMatchObject([
      { required: true, requested_by: null, status: "done", verdict: "comment", prompt: "" },
    ]);
  });

  test("a person dismisses one with a reason, and a service account does not", async () => {
    await reviewers.script(changes);
    const { id } = await merge();
    await until(id, blocked);
    const [opinion] = await opinions();
    const params = { opinion_id: opinion?.id as string };
    await expectProblem(
      owner.api.opinions.dismiss({ params, body: { reason: " " } }),
      422,
      "validation_failed",
    );
    const { api } = await makeServiceAccount(app, owner, project.organization_id);
    await expectProblem(
      api.opinions.dismiss({ params, body: { reason: "I say so." } }),
      403,
      "insufficient_permission",
    );
    await owner.api.opinions.dismiss({ params, body: { reason: "It is right." } });
    expect((await waitForRequest(owner, id)).status).toBe("merged");
    const { data: events } = await owner.api.audit.list({
      params: { org_id: project.organization_id },
      query: { action: "opinion.dismissed" },
    });
    expect(events).toMatchObject([{ changes: { reason: { to: "It is right." } } }]);
  });

  test("a reviewer publishes once", async () => {
    await reviewers.script(`
      const path = "/api/v1/opinions/" + process.env.OMOI_OPINION_ID + "/review";
      const publish = () => call("POST", path, { verdict: "comment", body: "Fine." });
      return JSON.stringify([(await publish()).status, (await publish()).code]);`);
    const { id } = await merge();
    expect((await waitForRequest(owner, id)).status).toBe("merged");
    const [opinion] = await opinions();
    const { result } = await waitForRunEnd(owner, opinion?.run_id as string);
    expect(JSON.parse(result ?? "null")).toEqual([200, "opinion_ended"]);
  });

  test("rules name each opinion once, and programs that review", async () => {
    const set = (reviews: object[]) => () =>
      owner.api.projects.update({
        params: { project_id: project.id },
        body: { protected_branches: [{ pattern: "main", reviews: reviews as never }] },
      });
    const twice = [{ preset: "codex" }, { preset: "codex", prompt: "" }];
    for (const refused of [
      set(twice),
      set([{ preset: "custom" }]),
      set([{ preset: "codex", prompt: "x".repeat(4097) }]),
      set(Array.from({ length: 6 }, (_, at) => ({ preset: "codex", prompt: `${at}` }))),
    ]) {
      await expectProblem(refused(), 422, "validation_failed");
    }
    const { data } = await set([{ preset: "codex" }, { preset: "codex", prompt: "Names" }])();
    expect(data.protected_branches[0]?.reviews).toEqual([
      { preset: "codex", prompt: "" },
      { preset: "codex", prompt: "Names" },
    ]);
  });
});
