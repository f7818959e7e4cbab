// Thorough: reviews across merges of the target, races, and variants of comments.
import { beforeEach, describe, expect, test } from "vitest";
import { expectProblem } from "#test/support/server/app.js";
import { commitFiles, makeWorkspace, mergeIntoBase } from "#test/support/fixtures/factories.js";
import {
  numbered,
  owner,
  reviewer,
  project,
  made,
  params,
  publish,
  changes,
  threads,
  comment,
  prepareReviews,
  makeReviewedProject,
} from "#test/support/fixtures/reviews.js";

describe("reviews", () => {
  prepareReviews();
  beforeEach(makeReviewedProject);

  test("a comment on the old side stands at the base, and one on a file has no line", async () => {
    await publish({
      comments: [comment({ side: "old", body: "Keep it." }), { path: "b.txt", body: "Unused?" }],
    });
    expect(await threads()).toMatchObject([
      { side: "old", line: 10, original: { text: "line 10" }, outdated: false },
      { path: "b.txt", line: null, start_line: null, outdated: false },
    ]);
  });

  test("a binary file takes comments on the whole file alone", async () => {
    await commitFiles(owner, made.workspace, { "image.bin": "a\0b\n" });
    await expectProblem(
      publish({ comments: [comment({ path: "image.bin", line: 1 })] }),
      422,
      "validation_failed",
    );
    await publish({ comments: [{ path: "image.bin", body: "What is it?" }] });
    expect(await threads()).toMatchObject([{ path: "image.bin", line: null }]);
  });

  test("two people who publish at once both do", async () => {
    await Promise.all([
      publish({ comments: [comment()] }),
      publish({ comments: [comment({ body: "I wonder, too." })] }, reviewer),
    ]);
    const { data } = await owner.api.reviews.list({ params: params() });
    expect(data.map(({ author }) => author.name).toSorted()).toEqual(["Ada", "Grace"]);
    expect(await threads()).toHaveLength(2);
  });

  test("an approval counts for the change, also after the target has moved", async () => {
    expect(await publish({ verdict: "approve" }, reviewer)).toMatchObject({ counts: true });
    const { workspace: other } = await makeWorkspace(owner, project.id);
    await commitFiles(owner, other, { "b.txt": "moved\n" });
    await mergeIntoBase(owner, other);
    await owner.api.workspaces.sync({ params: { agent_id: made.workspace.agent_id }, body: {} });
    const list = async () => (await owner.api.reviews.list({ params: params() })).data;
    expect(await list()).toMatchObject([{ counts: true, dismissed_at: null }]);
    expect((await changes()).approval).toMatchObject({ given: 1, reviewers: [{ counts: true }] });
    await commitFiles(owner, made.workspace, { "a.txt": numbered(20, { 10: "different" }) });
    expect(await list()).toMatchObject([{ counts: false, dismissed_at: expect.any(String) }]);
    expect((await changes()).approval.given).toBe(0);
  });

  test("the last verdict of each reviewer counts, and a comment takes none back", async () => {
    await publish({ verdict: "approve" }, reviewer);
    await publish({ body: "One more thing." }, reviewer);
    expect((await changes()).approval.reviewers).toMatchObject([{ verdict: "approve" }]);
  });

  test("changes since the last review leave out what a merge of the target brought in", async () => {
    expect((await changes(reviewer, "last_review")).since.kind).toBe("base");
    await publish({ body: "Read." }, reviewer);
    const { workspace: other } = await makeWorkspace(owner, project.id);
    await commitFiles(owner, other, { "b.txt": "moved\n", "c.txt": "new\n" });
    await mergeIntoBase(owner, other);
    await owner.api.workspaces.sync({ params: { agent_id: made.workspace.agent_id }, body: {} });
    const merged = await changes(reviewer, "last_review");
    expect(merged).toMatchObject({ since: { kind: "last_review", complete: true }, files: [] });
    await commitFiles(owner, made.workspace, { "d.txt": "mine\n" });
    expect((await changes(reviewer, "last_review")).files.map(({ path }) => path)).toEqual([
      "d.txt",
    ]);
    const refused = owner.api.reviews.changes({
      params: params(),
      query: { since: "0".repeat(40) },
    });
    await expectProblem(refused, 422, "validation_failed");
  });

  test("an earlier approval counts for a later merge request of the same change", async () => {
    await owner.api.projects.update({
      params: { project_id: project.id },
      body: { protected_branches: [{ pattern: "main", approvals: 1 }] },
    });
    await publish({ verdict: "approve" }, reviewer);
    await owner.api.workspaces.createMerge({
      params: { agent_id: made.workspace.agent_id },
      body: { queue: true },
    });
    await expect
      .poll(async () => (await owner.api.tasks.get({ params: params() })).data.status)
      .toBe("done");
    await expectProblem(publish({ body: "Late." }), 409, "task_finished");
  });
});
