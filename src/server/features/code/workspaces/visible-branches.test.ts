import { beforeAll, describe, expect, test } from "vitest";
import type { Client } from "#shared/contract/client.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  commitFiles,
  makeAgent,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { gitInRepository, runGit } from "#test/support/git/git.js";
import { fieldsOf, send } from "#test/support/http/raw-request.js";

/**
 * git hides the branch `hidden` from an agent, and so does every call with branches in its input or
 * output.
 */
describe("branches visible to an agent's key", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let own: Workspace;
  let other: Workspace;
  let key: string;
  let api: Client;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
    project = await makeProjectWith(owner, org.id, { "a.txt": "a\n" });
    ({ workspace: own } = await makeWorkspace(owner, project.id));
    ({ workspace: other } = await makeWorkspace(owner, project.id));
    await commitFiles(owner, other, { "secret.txt": "the plan\n" });
    await gitInRepository(app, project, "branch", "hidden", other.branch_name);
    const body = { name: "agent", agent_id: own.agent_id };
    key = (await owner.api.apiKeys.create({ body })).data.key as string;
    api = app.client(key);
    await commitFiles(owner, own, { "own.txt": "mine\n" });
  });
  const params = () => ({ agent_id: own.agent_id });

  test("git does not list a hidden branch", async () => {
    const url = project.clone_url.replace("http://", `http://x:${key}@`);
    const { stdout } = await runGit(["ls-remote", "--heads", url]);
    expect(stdout).toContain(own.branch_name);
    expect(stdout).not.toContain("hidden");
    expect(stdout).not.toContain(other.branch_name);
  });

  test("it cannot be the base branch of an existing or a new workspace", async () => {
    const change = api.workspaces.update({ params: params(), body: { base_branch: "hidden" } });
    const hidden = await expectProblem(change, 422, "validation_failed");
    expect(fieldsOf(hidden)).toEqual(["body.base_branch"]);
    const absent = api.workspaces.update({ params: params(), body: { base_branch: "absent" } });
    const { detail } = await expectProblem(absent, 422, "validation_failed");
    expect(detail).toBe(hidden.detail.replace("hidden", "absent"));
    const agent = await makeAgent(owner, project.id);
    const made = await owner.api.apiKeys.create({ body: { name: "k", agent_id: agent.id } });
    const create = app.client(made.data.key as string).workspaces.create({
      params: { agent_id: agent.id },
      body: { base_branch: "hidden" },
    });
    await expectProblem(create, 422, "validation_failed");
    expect((await api.workspaces.get({ params: params() })).data.base_branch).toBe("main");
    const body = { base_branch: "main" };
    expect((await api.workspaces.update({ params: params(), body })).status).toBe(200);
  });

  test("it cannot be the target of a merge, a preview or its conflicts", async () => {
    const body = { target_branch: "hidden" };
    for (const call of [
      () => api.workspaces.createMerge({ params: params(), body }),
      () => api.workspaces.previewMerge({ params: params(), body }),
      () => api.workspaces.previewConflicts({ params: params(), body }),
      () => api.previews.create({ params: params(), body: { act: "merge", ...body } }),
    ]) {
      const problem = await expectProblem(call(), 422, "validation_failed");
      expect(fieldsOf(problem)).toEqual(["body.target_branch"]);
    }
  });

  test("it appears in no list of branches, workspaces or merges and not in the graph", async () => {
    const ofProject = { params: { project_id: project.id } };
    const branches = (await api.projects.branches(ofProject)).data.map(({ name }) => name);
    expect(branches.toSorted()).toEqual(["main", own.branch_name].toSorted());
    const { data: listed } = await api.workspaces.ofProject(ofProject);
    expect(listed.map(({ branch_name }) => branch_name)).toEqual([own.branch_name]);
    const { data: graph } = await api.graph.get(ofProject);
    expect(graph.branches.map(({ name }) => name)).not.toContain("hidden");
    expect((await owner.api.projects.branches(ofProject)).data.map(({ name }) => name)).toContain(
      "hidden",
    );
  });

  test("a merge of the agent's work into it, its conflicts and its revert are 404 for the agent", async () => {
    await commitFiles(owner, own, { "secret.txt": "another plan\n" });
    const body = { target_branch: "hidden" };
    const { data: merge } = await owner.api.workspaces.createMerge({ params: params(), body });
    expect(merge.total_conflicts).toBe(1);
    const of = { ...params(), merge_id: merge.id as string };
    for (const call of [
      () => api.workspaces.merge({ params: of }),
      () => api.workspaces.mergeConflicts({ params: of }),
      () => api.workspaces.revertMerge({ params: of }),
      () => api.workspaces.restoreVersion({ params: of, body: { paths: ["secret.txt"] } }),
      () =>
        api.previews.create({ params: params(), body: { act: "revert", merge_id: of.merge_id } }),
    ]) {
      await expectProblem(call(), 404, "not_found");
    }
    const { data: into } = await owner.api.workspaces.createMerge({ params: params(), body: {} });
    const ids = async (by: Client) => {
      const ofProject = { params: { project_id: project.id } };
      const { data: all } = await by.workspaces.mergesOfProject(ofProject);
      const { data: mine } = await by.workspaces.merges({ params: params() });
      return [all, mine].map((list) => list.map(({ id }) => id));
    };
    for (const list of await ids(api)) {
      expect(list).toContain(into.id);
      expect(list).not.toContain(merge.id);
    }
    for (const list of await ids(owner.api)) expect(list).toContain(merge.id);
    expect((await owner.api.workspaces.merge({ params: of })).status).toBe(200);
  });

  test("a person can make it the base branch, and then git and the API show it", async () => {
    const body = { base_branch: "hidden" };
    await owner.api.workspaces.update({ params: params(), body });
    expect((await api.workspaces.sync({ params: params() })).data.source_branch).toBe("hidden");
    const ofProject = { params: { project_id: project.id } };
    const { data } = await api.projects.branches(ofProject);
    expect(data.map(({ name }) => name)).toContain("hidden");
    await owner.api.workspaces.update({ params: params(), body: { base_branch: "main" } });
  });

  test("in another project only the default branch is visible, even with equal branch names", async () => {
    const elsewhere = await makeProjectWith(owner, org.id, { "b.txt": "b\n" });
    await gitInRepository(app, elsewhere, "branch", own.branch_name, "main");
    const { data } = await api.projects.branches({ params: { project_id: elsewhere.id } });
    expect(data.map(({ name }) => name)).toEqual(["main"]);
    const refs = await send(
      { url: "" },
      "GET",
      `${elsewhere.clone_url}/info/refs?service=git-upload-pack`,
      {
        token: key,
        headers: { "git-protocol": "version=0" },
      },
    );
    expect(refs.text).toContain("refs/heads/main");
    expect(refs.text).not.toContain(own.branch_name);
  });
});
