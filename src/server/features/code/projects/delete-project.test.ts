import { lstat, readdir } from "node:fs/promises";
import { dirname } from "node:path";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { systemRoleIds } from "../../../db/migrate.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  commitFiles,
  folderOf,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { runGit, repoPathOf } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";

describe("deleting a project", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let workspace: Workspace;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
  });
  beforeEach(async () => {
    project = await makeProjectWith(owner, org.id, { "a.txt": "base\n" });
    ({ workspace } = await makeWorkspace(owner, project.id));
  });

  const at = () => ({ project_id: project.id });
  const remove = (person = owner) => person.api.projects.delete({ params: at() });
  const isThere = (path: string) =>
    lstat(path).then(
      () => true,
      () => false,
    );
  const removed = () =>
    expect
      .poll(() =>
        queryAsOwner(app, "select from projects where id = $1 and removed_at is not null", [
          project.id,
        ]),
      )
      .toHaveLength(1);
  const usage = async () =>
    (
      await owner.api.usage.get({
        params: { org_id: org.id },
        query: { by: "project" } as never,
      })
    ).data;

  test("leaves only the ledger: 404 everywhere, nothing on disk, the same usage", async () => {
    await commitFiles(owner, workspace, { "b.txt": "b\n" });
    const merge = await mergeIntoBase(owner, workspace);
    const params = { agent_id: workspace.agent_id };
    const { data: run } = await owner.api.runs.create({ params, body: { external: true } });
    await owner.api.runs.stop({ params: { run_id: run.id }, body: { status: "succeeded" } });
    await queryAsOwner(
      app,
      "update runs set started_at = ended_at - interval '36 seconds' where id = $1",
      [run.id],
    );
    const before = await usage();
    await remove();

    for (const call of [
      () => owner.api.projects.get({ params: at() }),
      () => owner.api.projects.update({ params: at(), body: { name: "Back" } }),
      () => owner.api.projects.delete({ params: at() }),
      () => owner.api.agents.get({ params }),
      () => owner.api.agents.delete({ params }),
      () => owner.api.workspaces.get({ params }),
      () => owner.api.workspaces.restore({ params }),
      () => owner.api.workspaces.merge({ params: { ...params, merge_id: merge.id as string } }),
      () => owner.api.runs.get({ params: { run_id: run.id } }),
      () => owner.api.runs.create({ params, body: { external: true } }),
    ]) {
      await expectProblem(call(), 404, "not_found");
    }
    const body = { project_id: project.id, name: "late" };
    await expectProblem(owner.api.agents.create({ body }), 422, "validation_failed");
    const ids = (rows: { id: string }[]) => rows.map(({ id }) => id);
    expect(ids((await owner.api.projects.list()).data)).not.toContain(project.id);
    for (const query of [{}, { status: "terminated" as const }]) {
      expect(ids((await owner.api.agents.list({ query })).data)).not.toContain(params.agent_id);
    }
    const clone = project.clone_url.replace("http://", `http://x:${owner.token}@`);
    expect((await runGit(["ls-remote", clone])).stderr).toContain("not found");
    expect(await isThere(folderOf(workspace))).toBe(false);
    await removed();
    expect(await readdir(dirname(repoPathOf(app, project)))).not.toContain(`${project.id}.git`);
    const after = await usage();
    expect(after.runtime_hours).toEqual(before.runtime_hours);
    expect(JSON.stringify(after)).toContain(project.name);
    const { data: events } = await owner.api.audit.list({
      params: { org_id: org.id },
      query: { limit: 1 },
    });
    expect(events[0]).toMatchObject({ action: "project.deleted", target: { id: project.id } });
    const { data: members } = await owner.api.members.list({ params: { org_id: org.id } });
    expect(members.map((m) => m.agent_id)).not.toContain(params.agent_id);
  });

  test("frees its slug and its agents' names immediately", async () => {
    await remove();
    const { data: heir } = await owner.api.projects.create({
      body: { organization_id: org.id, name: project.name, slug: project.slug },
    });
    expect(heir.slug).toBe(project.slug);
    const body = { project_id: heir.id, name: workspace.agent_name };
    const { data: agent } = await owner.api.agents.create({ body });
    const { data } = await owner.api.workspaces.create({ params: { agent_id: agent.id } });
    expect(folderOf(data)).toBe(folderOf(workspace));
    await removed();
    expect(await isThere(folderOf(workspace))).toBe(true);
  });

  test("is 409 while an agent is running", async () => {
    const params = { agent_id: workspace.agent_id };
    const { data: run } = await owner.api.runs.create({ params, body: { external: true } });
    await expectProblem(remove(), 409, "agent_running");
    expect((await owner.api.projects.get({ params: at() })).data.status).toBe("ready");
    await owner.api.runs.stop({ params: { run_id: run.id }, body: { status: "stopped" } });
    await remove();
  });

  test("requires project:delete", async () => {
    const member = await app.person("member");
    await owner.api.members.add({
      params: { org_id: org.id },
      body: { user_id: member.id, role_id: systemRoleIds.member },
    });
    await expectProblem(remove(member), 403, "insufficient_permission");
  });

  test("an interrupted deletion is completed at the next start", async () => {
    await queryAsOwner(app, "update projects set deleted_at = now() where id = $1", [project.id]);
    await queryAsOwner(app, "update agents set terminated_at = now() where project_id = $1", [
      project.id,
    ]);
    await (await app.sibling()).close();
    await removed();
    expect(await isThere(repoPathOf(app, project))).toBe(false);
    expect(await isThere(folderOf(workspace))).toBe(false);
  });
});
