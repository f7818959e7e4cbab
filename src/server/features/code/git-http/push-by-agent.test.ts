import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { openCloneFactory, type Clone } from "#test/support/git/clone.js";
import {
  commitFiles,
  makeAgent,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";
import { deltaPack, openObjectBuilder, pushBody } from "#test/support/git/packs.js";

describe("a push with an agent's key", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let agent: Agent;
  let own: Workspace;
  let other: Workspace;
  let key: string;
  let clone: Clone;
  let clones: Awaited<ReturnType<typeof openCloneFactory>>;
  /** Objects of the other agent. */
  const secret = { commit: "", tree: "", blob: "" };
  const forge = openObjectBuilder();
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
    project = await makeProjectWith(owner, org.id, { "a.txt": "a\n" });
    agent = await makeAgent(owner, project.id);
    const { data } = await owner.api.workspaces.create({
      params: { agent_id: agent.id },
      body: { workspace_type: "remote" },
    });
    own = data;
    ({ workspace: other } = await makeWorkspace(owner, project.id));
    const commit = await commitFiles(owner, other, { "secret.txt": "the other's secret\n" });
    secret.commit = commit.commit_sha;
    secret.tree = await gitInRepository(app, project, "rev-parse", `${secret.commit}^{tree}`);
    secret.blob = await gitInRepository(app, project, "rev-parse", `${secret.commit}:secret.txt`);
    const body = { name: "agent", agent_id: agent.id };
    key = (await owner.api.apiKeys.create({ body })).data.key as string;
    clones = await openCloneFactory();
    clone = await clones.clone(project.clone_url, key, "--branch", own.branch_name);
  });
  afterAll(async () => {
    await clones.dispose();
    forge.dispose();
  });

  const tip = (ref: string) => gitInRepository(app, project, "rev-parse", ref);
  const post = async (from: string, to: string, pack: Buffer) => {
    const ref = `refs/heads/${own.branch_name}`;
    const response = await fetch(`${project.clone_url}/git-receive-pack`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/x-git-receive-pack-request",
      },
      body: new Uint8Array(pushBody([[from, to, ref]], pack)),
    });
    return response.text();
  };

  test("advances its own branch as manual commits, without audit events", async () => {
    const head = await clone.commit({ "a.txt": "mine\n" });
    const { code } = await clone.push(own.branch_name);
    expect(code).toBe(0);
    expect(await tip(own.branch_name)).toBe(head);
    const { data } = await owner.api.workspaces.commits({
      params: { agent_id: agent.id },
      query: {},
    });
    expect(data).toMatchObject([{ commit_sha: head, commit_type: "manual" }]);
    const { data: events } = await owner.api.audit.list({ params: { org_id: org.id } });
    expect(events.map(({ action }) => action)).not.toContain("project.pushed");
    await clone.git("commit", "--quiet", "--amend", "--message", "rewritten");
    expect((await clone.push("--force", own.branch_name)).stderr).toContain("cannot be rewritten");
    await clone.git("reset", "--quiet", "--hard", head);
  });

  test("changes no other branch and no tag", async () => {
    await clone.commit({ "b.txt": "b\n" });
    const before = await gitInRepository(app, project, "for-each-ref");
    await clone.git("tag", "v1");
    for (const target of [
      "HEAD:refs/heads/main",
      "HEAD:refs/heads/new",
      `HEAD:refs/heads/${other.branch_name}`,
      "HEAD:refs/heads/workspace-nobody",
      "v1",
    ]) {
      const { code, stderr } = await clone.push(target);
      expect([target, code, stderr]).toEqual([
        target,
        1,
        expect.stringContaining(
          `the key of the agent ${agent.name} can only push to its own branch`,
        ),
      ]);
    }
    expect(await gitInRepository(app, project, "for-each-ref")).toBe(before);
    await clone.git("reset", "--quiet", "--hard", "HEAD^");
  });

  test("advertises the visible branches and no thin packs", async () => {
    const url = `${project.clone_url}/info/refs?service=git-receive-pack`;
    const response = await fetch(url, { headers: { authorization: `Bearer ${key}` } });
    const text = await response.text();
    const refs = [...text.matchAll(/refs\/\S+?(?=\0|\n)/g)].map(([ref]) => ref);
    expect(refs).toEqual(["refs/heads/main", `refs/heads/${own.branch_name}`]);
    expect(text).toContain("no-thin");
  });

  test("reveals no hidden object by id", async () => {
    const head = await tip(own.branch_name);
    const size = "the other's secret\n".length;
    const withBlob = forge.tree([["100644", "stolen.txt", secret.blob]]);
    const attempts: [string, string, Buffer][] = [
      ["a commit", secret.commit, forge.pack([])],
      ...[
        ["a parent", forge.commit(forge.tree([]), [head, secret.commit]), []] as const,
        ["a tree", forge.commit(secret.tree, [head]), []] as const,
        ["a file", forge.commit(withBlob, [head]), [withBlob]] as const,
      ].map(
        ([what, commit, more]) =>
          [what, commit, forge.pack([commit, forge.tree([]), ...more])] as [string, string, Buffer],
      ),
      ["a delta's base", forge.commit(withBlob, [head]), deltaPack(secret.blob, size)],
    ];
    const before = await gitInRepository(app, project, "for-each-ref");
    for (const [what, commit, pack] of attempts) {
      const text = await post(head, commit, pack);
      expect([what, text]).toEqual([
        what,
        expect.stringContaining("unpack the pack is incomplete: it references objects"),
      ]);
    }
    expect(await gitInRepository(app, project, "for-each-ref")).toBe(before);
    // A user who can read everything may push the same.
    expect(await gitInRepository(app, project, "cat-file", "-t", secret.blob)).toBe("blob");
  });
});
