import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import type { Branch, Project } from "#shared/api/code/projects.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";

describe("the branches of a project", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
    project = await makeProject(owner, org.id);
  });

  const list = async (query: { limit?: number; cursor?: string } = {}) =>
    owner.api.projects.branches({ params: { project_id: project.id }, query });
  const names = (branches: Branch[]) => branches.map(({ name }) => name);

  test("an agent's branch has its newest commit and its agent until it is archived", async () => {
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    const commit = await commitFiles(owner, workspace, { "a.txt": "one\n" });
    const { data } = await list();
    expect(names(data)).toEqual(["main", workspace.branch_name]);
    expect(data[0]).toMatchObject({ is_default: true, agent_id: null });
    expect(data[1]).toEqual({
      name: workspace.branch_name,
      commit_sha: commit.commit_sha,
      subject: commit.message,
      committed_at: expect.stringMatching(/^\d{4}-.*Z$/),
      is_default: false,
      agent_id: agent.id,
    });
    await owner.api.workspaces.archive({ params: { agent_id: agent.id } });
    expect(names((await list()).data)).toEqual(["main"]);
  });

  test("pages continue by name", async () => {
    for (const name of ["z-last", "Upper", "a/nested"]) {
      await gitInRepository(app, project, "branch", name, "main");
    }
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const { data, headers } = await list({
        limit: 1,
        ...(cursor === undefined ? {} : { cursor }),
      });
      seen.push(...names(data));
      const next = /<([^>]+)>; rel="next"/.exec(headers.get("link") ?? "")?.[1];
      cursor =
        next === undefined
          ? undefined
          : (new URL(next, app.url).searchParams.get("cursor") ?? undefined);
    } while (cursor !== undefined);
    expect(seen).toEqual(["Upper", "a/nested", "main", "z-last"]);
  });

  test("an invalid cursor is 422", async () => {
    for (const cursor of ["x", Buffer.from("[1]").toString("base64url")]) {
      await expectProblem(list({ cursor }), 422, "validation_failed");
    }
  });

  test("a missing project is 404", async () => {
    const params = { project_id: randomUUID() };
    await expectProblem(owner.api.projects.branches({ params, query: {} }), 404, "not_found");
  });
});
