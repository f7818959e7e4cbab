// Thorough: large packs, many refs and races, and every variant of a branch's name.
import { randomBytes } from "node:crypto";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import { systemRoleIds } from "#server/db/migrate.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { openCloneFactory, createGitKey, type Clone } from "#test/support/git/clone.js";
import { makeAgent, makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import { gitInRepository, runGit, repoPathOf } from "#test/support/git/git.js";
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
  /** Checks that nothing of a push in progress is left. */
  const atRest = async () => {
    expect(await queryAsOwner(app, "select from pending_pushes")).toEqual([]);
    expect(
      await queryAsOwner(app, "select from workspace_commits where state = 'pending'"),
    ).toEqual([]);
    expect(await readdir(join(repoPathOf(app, project), "incoming")).catch(() => [])).toEqual([]);
  };

  test("creates a protected branch at commits that landed by its rules, or for who may change them", async () => {
    const params = { project_id: project.id };
    const rule = { approvals: 1 };
    const protect = (main: object) =>
      owner.api.projects.update({
        params,
        body: {
          protected_branches: [
            { pattern: "main", ...main },
            { pattern: "release/*", ...rule },
          ],
        },
      });
    await protect(rule);
    const member = await app.person("member");
    await owner.api.members.add({
      params: { org_id: org.id },
      body: { user_id: member.id, role_id: systemRoleIds.member },
    });
    const theirs = await clones.clone(project.clone_url, await createGitKey(member));
    expect((await theirs.push("HEAD:refs/heads/release/1")).code).toBe(0);
    await theirs.commit({ "a.txt": "unapproved\n" });
    const refused = await theirs.push("HEAD:refs/heads/release/2");
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain("the branch is protected (1 approval)");
    // A branch of its own does not help.
    expect((await theirs.push("HEAD:refs/heads/topic")).code).toBe(0);
    expect((await theirs.push("HEAD:refs/heads/release/2")).code).not.toBe(0);
    await atRest();
    await one.commit({ "a.txt": "by the owner\n" });
    expect((await one.push("HEAD:refs/heads/release/2")).code).toBe(0);
    // Neither does a branch with weaker rules.
    await owner.api.projects.update({
      params,
      body: {
        protected_branches: [
          { pattern: "main", ...rule },
          { pattern: "release/*", ...rule },
          { pattern: "hotfix/*", approvals: 2 },
        ],
      },
    });
    await theirs.git("fetch", "origin", "main");
    expect((await theirs.push("FETCH_HEAD:refs/heads/hotfix/1")).code).not.toBe(0);
  });

  test("creates and moves no branch that could be taken for a protected one", async () => {
    const params = { project_id: project.id };
    const update = (patterns: string[]) =>
      owner.api.projects.update({
        params,
        body: { protected_branches: patterns.map((pattern) => ({ pattern })) },
      });
    await update([]);
    await one.commit({ "a.txt": "one\n" });
    // Nothing is protected yet.
    expect((await one.push("HEAD:refs/heads/RELEASE/1")).code).toBe(0);
    await update(["main", "release/*"]);
    await one.commit({ "a.txt": "two\n" });
    const before = await refs();
    for (const [name, reason] of [
      ["refs/heads/main", "must not begin with refs/ or heads/"],
      ["refs/heads/other", "must not begin with refs/ or heads/"],
      ["Refs/heads/main", "must not begin with refs/ or heads/"],
      ["heads/main", "must not begin with refs/ or heads/"],
      ["Main", "differs by case alone from the protected branch main"],
      ["MAIN", "differs by case alone from the protected branch main"],
      ["Release/2", "differs by case alone from the protected branch release/*"],
      ["RELEASE/1", "differs by case alone from the protected branch release/*"],
    ]) {
      const { code, stderr } = await one.push(`HEAD:refs/heads/${name}`);
      expect([name, code, stderr]).toEqual([name, 1, expect.stringContaining(reason as string)]);
    }
    expect(await refs()).toBe(before);
    await atRest();
    const agent = await makeAgent(owner, project.id);
    const create = (base_branch: string) =>
      owner.api.workspaces.create({ params: { agent_id: agent.id }, body: { base_branch } });
    await expectProblem(create("refs/heads/main"), 422, "validation_failed");
    await create("RELEASE/1");
    const merge = owner.api.workspaces.createMerge({
      params: { agent_id: agent.id },
      body: { target_branch: "RELEASE/1" },
    });
    const { detail } = await expectProblem(merge, 409, "branch_protected");
    expect(detail).toContain("differs by case alone from the protected branch release/*");
    const queue = () =>
      owner.api.workspaces.createMerge({
        params: { agent_id: agent.id },
        body: { target_branch: "RELEASE/1", queue: true },
      });
    await expectProblem(queue(), 409, "branch_protected");
    for (const name of ["refs/heads/main", "heads/x"]) {
      await expectProblem(update([name]), 422, "validation_failed");
      const body = { organization_id: org.id, name: "Named", default_branch: name };
      await expectProblem(owner.api.projects.create({ body }), 422, "validation_failed");
    }
    // A name that is protected itself is allowed.
    await update(["main", "release/*", "RELEASE/*"]);
    expect((await one.push("HEAD:refs/heads/RELEASE/2")).code).toBe(0);
  });

  test("of two concurrent pushes from one commit one succeeds and the other must fetch", async () => {
    const two = await clones.clone(project.clone_url, key);
    await one.commit({ "one.txt": "1\n" });
    await two.commit({ "two.txt": "2\n" });
    const outcomes = await Promise.all([one.push("main"), two.push("main")]);
    expect(outcomes.map(({ code }) => code).toSorted((a, b) => a - b)).toEqual([0, 1]);
    const loser = outcomes[0]?.code === 0 ? two : one;
    expect(outcomes.find(({ code }) => code === 1)?.stderr).toMatch(
      /the branch has changed|fetch first/,
    );
    await loser.git("pull", "--quiet", "--rebase", "origin", "main");
    expect((await loser.push("main")).code).toBe(0);
    const files = await gitInRepository(app, project, "ls-tree", "--name-only", "main");
    expect(files.split("\n")).toEqual(["a.txt", "one.txt", "src", "two.txt"]);
    await atRest();
  });

  test("concurrent pushes to different branches succeed", async () => {
    const numbers = Array.from({ length: 8 }, (_, index) => index);
    const all = await Promise.all(numbers.map(() => clones.clone(project.clone_url, key)));
    await Promise.all(all.map((clone, number) => clone.commit({ "n.txt": `${number}\n` })));
    const outcomes = await Promise.all(
      all.map((clone, number) => clone.push(`HEAD:refs/heads/n/${number}`)),
    );
    expect(outcomes.map(({ code }) => code)).toEqual(numbers.map(() => 0));
    for (const number of numbers) {
      expect(await gitInRepository(app, project, "show", `n/${number}:n.txt`)).toBe(String(number));
    }
    await atRest();
  });

  test("accepts thin packs, large packs, shallow clones and old protocols", async () => {
    const text = Array.from({ length: 5000 }, (_, line) => `line ${line} of a long file\n`).join(
      "",
    );
    await one.commit({ "long.txt": text });
    await one.push("main");
    await one.commit({ "long.txt": text.replace("line 7 ", "line seven ") });
    expect((await one.push("--thin", "main")).code).toBe(0);
    const many = Object.fromEntries(
      Array.from({ length: 300 }, (_, number) => [
        `many/${number}.txt`,
        `${number} ${project.id}\n`,
      ]),
    );
    await one.commit(many);
    expect((await one.push("main")).code).toBe(0);
    expect((await readdir(join(repoPathOf(app, project), "objects/pack"))).length).toBeGreaterThan(
      0,
    );
    const shallow = await clones.clone(project.clone_url, key, "--depth=1");
    const head = await shallow.commit({ "from-ci.txt": "x\n" });
    expect((await shallow.push("main")).code).toBe(0);
    expect(await tip("main")).toBe(head);
    for (const version of ["0", "1"]) {
      await shallow.commit({ "version.txt": version });
      await shallow.git("config", "protocol.version", version);
      expect((await shallow.push("main")).code).toBe(0);
    }
    // More than http.postBuffer: sent in chunks after a probe.
    await shallow.git("config", "http.postBuffer", "65536");
    await shallow.commit({ "big.txt": randomBytes(400_000).toString("base64") });
    expect((await shallow.push("main")).code).toBe(0);
    await gitInRepository(app, project, "fsck", "--full", "--strict");
    await atRest();
  });

  test("into an empty project rejects too many tags and accepts a thousand", async () => {
    const head = await one.git("rev-parse", "HEAD");
    const tagged = async (count: number) => {
      const lines = Array.from({ length: count }, (_, n) => `${head} refs/tags/t${n}\n`);
      await writeFile(join(one.folder, ".git/packed-refs"), lines.sort().join(""));
    };
    await tagged(1001);
    const all = await one.push("--tags");
    expect([all.code, all.stderr]).toEqual([1, expect.stringContaining("at most 1000 refs")]);
    await tagged(1000);
    expect((await one.push("--quiet", "--tags")).code).toBe(0);
    expect((await refs()).split("\n").filter((ref) => ref.includes("refs/tags/"))).toHaveLength(
      1000,
    );
    // An advertisement of a thousand refs is read completely.
    expect((await runGit(["fetch", "--quiet"], { cwd: one.folder })).code).toBe(0);
    await atRest();
  });
});
