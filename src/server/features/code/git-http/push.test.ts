import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { openCloneFactory, createGitKey, type Clone } from "#test/support/git/clone.js";
import { makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import { gitInRepository, repoPathOf } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";

describe("a push", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let key: string;
  let one: Clone;
  let clones: Awaited<ReturnType<typeof openCloneFactory>>;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
    key = await createGitKey(owner);
    clones = await openCloneFactory();
  });
  beforeEach(async () => {
    project = await makeProjectWith(owner, org.id, { "a.txt": "a\n", "src/b.txt": "b\n" });
    one = await clones.clone(project.clone_url, key);
  });
  afterAll(async () => {
    await clones.dispose();
  });

  const tip = (ref: string) => gitInRepository(app, project, "rev-parse", ref);
  const refs = () => gitInRepository(app, project, "for-each-ref");
  const objects = () =>
    gitInRepository(app, project, "cat-file", "--batch-all-objects", "--batch-check");
  const received = async () =>
    (
      await queryAsOwner<{ commit_sha: string }>(
        app,
        "select commit_sha from received_commits where project_id = $1 order by sequence",
        [project.id],
      )
    ).map(({ commit_sha }) => commit_sha);
  /** Checks that nothing of a push in progress is left. */
  const atRest = async () => {
    expect(await queryAsOwner(app, "select from pending_pushes")).toEqual([]);
    expect(
      await queryAsOwner(app, "select from workspace_commits where state = 'pending'"),
    ).toEqual([]);
    expect(await readdir(join(repoPathOf(app, project), "incoming")).catch(() => [])).toEqual([]);
  };

  test("does not move a branch that changes only through the merge queue", async () => {
    const params = { project_id: project.id };
    const protected_branches = [{ pattern: "main", approvals: 1 }];
    await owner.api.projects.update({ params, body: { protected_branches } });
    const before = await tip("main");
    await one.commit({ "a.txt": "one\n" });
    const pushed = await one.push("main");
    expect(pushed.code).not.toBe(0);
    expect(pushed.stderr).toContain("the branch is protected (1 approval)");
    expect(await tip("main")).toBe(before);
    await atRest();
    const confusable = await one.push("HEAD:refs/heads/Main");
    expect(confusable.code).not.toBe(0);
    expect(confusable.stderr).toContain("differs by case alone from the protected branch main");
    // Another branch can be pushed.
    expect((await one.push("HEAD:refs/heads/topic")).code).toBe(0);
  });

  test("advances a branch, with its receive time", async () => {
    const before = (await received()).length;
    const first = await one.commit({ "a.txt": "one\n" });
    const second = await one.commit({ "a.txt": "two\n", "c/d.txt": "new\n" });
    const { code, stderr } = await one.push("main");
    expect([code, stderr]).toEqual([0, expect.stringContaining("main -> main")]);
    expect(await tip("main")).toBe(second);
    expect((await received()).slice(before)).toEqual([first, second]);
    const other = await clones.clone(project.clone_url, key);
    expect(await readFile(join(other.folder, "c/d.txt"), "utf8")).toBe("new\n");
    await gitInRepository(app, project, "fsck", "--full", "--strict");
    expect((await one.push("main")).stderr).toContain("Everything up-to-date");
    await atRest();
  });

  test("creates branches and tags, recorded in one audit event", async () => {
    const head = await one.commit({ "a.txt": "one\n" });
    await one.git("tag", "light");
    await one.git("tag", "--annotate", "--message", "first", "v1");
    const { code } = await one.push("HEAD:refs/heads/feature/@x+1", "light", "v1");
    expect(code).toBe(0);
    expect(await tip("refs/heads/feature/@x+1")).toBe(head);
    expect(await tip("v1^{commit}")).toBe(head);
    expect(await gitInRepository(app, project, "cat-file", "-t", "v1")).toBe("tag");
    const { data: events } = await owner.api.audit.list({ params: { org_id: org.id } });
    expect(events[0]).toMatchObject({
      action: "project.pushed",
      target: { type: "project", id: project.id, name: project.name },
      actor: { type: "user", id: owner.id },
      changes: {
        "refs/heads/feature/@x+1": { from: null, to: head },
        "refs/tags/light": { from: null, to: head },
        "refs/tags/v1": { from: null, to: await tip("v1") },
      },
    });
    expect(events[0]?.actor.api_key_id).not.toBeNull();
    const { data: branches } = await owner.api.projects.branches({
      params: { project_id: project.id },
    });
    expect(branches.map(({ name }) => name)).toContain("feature/@x+1");
    await atRest();
  });

  test("never rewrites or deletes branches or moves tags, and reports it", async () => {
    await one.commit({ "a.txt": "one\n" });
    await one.git("tag", "v1");
    expect((await one.push("main", "v1", "HEAD:refs/heads/other")).code).toBe(0);
    const [before, all] = [await refs(), await objects()];
    await one.git("commit", "--quiet", "--amend", "--message", "rewritten");
    await one.git("tag", "--force", "v1");
    const refusals: [string[], string][] = [
      [["--force", "main"], "cannot be rewritten"],
      [["--force", "v1"], "tags cannot be moved"],
      [["--delete", "other"], "a push cannot delete refs"],
      [["--delete", "v1"], "a push cannot delete refs"],
      [["HEAD:refs/keep/x"], "only branches and tags"],
      [["HEAD:refs/archive/x/y"], "only branches and tags"],
      [["HEAD:refs/upstream/heads/main"], "only branches and tags"],
      [["HEAD:refs/heads/main/below"], "conflicts with another branch"],
      [["HEAD:refs/heads/workspace-nobody"], "no workspace has this branch"],
      [["HEAD:refs/heads/mаin"], "plain ASCII"],
      [["HEAD:refs/heads/-x"], "plain ASCII"],
      [["HEAD^{tree}:refs/tags/tree"], "must point to a commit"],
    ];
    for (const [args, reason] of refusals) {
      const { code, stderr } = await one.push(...args);
      expect([args, code, stderr]).toEqual([args, 1, expect.stringContaining(reason)]);
      expect(await refs()).toBe(before);
    }
    // A name conflict is found last, after the objects arrived; the others add nothing.
    const brought = (await objects()).split("\n").length - all.split("\n").length;
    expect(brought).toBeLessThanOrEqual(1);
    const plain = await one.push("main");
    expect([plain.code, plain.stderr]).toEqual([1, expect.stringContaining("non-fast-forward")]);
    await atRest();
  });

  test("accepts the valid refs, and with --atomic all or none", async () => {
    const head = await one.commit({ "a.txt": "one\n" });
    const before = await refs();
    const both = ["main", "HEAD:refs/heads/workspace-nobody"];
    const atomic = await one.push("--atomic", ...both);
    expect([atomic.code, atomic.stderr]).toEqual([1, expect.stringContaining("atomic push")]);
    expect(await refs()).toBe(before);
    const each = await one.push(...both);
    expect([each.code, each.stderr]).toEqual([1, expect.stringContaining("no workspace has")]);
    expect(await tip("main")).toBe(head);
    await atRest();
  });
});
