import { beforeAll, describe, expect, test } from "vitest";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { systemRoleIds } from "../../../db/migrate.js";

describe("archive, restore and transfer", () => {
  let app: TestApp;
  let owner: TestPerson;
  let admin: TestPerson;
  let orgId: string;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    admin = await app.person("admin");
    orgId = (await makeOrganization(owner)).id;
    await owner.api.members.add({
      params: { org_id: orgId },
      body: { user_id: admin.id, role_id: systemRoleIds.admin },
    });
  });

  test("requires an owner", async () => {
    const params = { org_id: orgId };
    for (const call of [
      () => admin.api.organizations.archive({ params }),
      () => admin.api.organizations.restore({ params }),
      () => admin.api.organizations.transfer({ params, body: { user_id: admin.id } }),
    ]) {
      await expectProblem(call(), 403, "insufficient_permission");
    }
  });

  test("an archived organization is read-only until it is restored", async () => {
    const params = { org_id: orgId };
    const project = await makeProject(owner, orgId);
    const agent = await makeAgent(owner, project.id);
    const { data: run } = await owner.api.runs.create({
      params: { agent_id: agent.id },
      body: { external: true },
    });
    const key = async (scope: string): Promise<string> => {
      const { data } = await owner.api.apiKeys.create({ body: { name: "K", scopes: [scope] } });
      return data.key ?? "";
    };
    const { data: organization } = await owner.api.organizations.get({ params });
    const scoped = app.client(await key(`org:${organization.slug}:*`));
    const wide = app.client(await key("*:*"));

    expect((await owner.api.organizations.archive({ params })).status).toBe(204);

    const { data: ended } = await owner.api.runs.get({ params: { run_id: run.id } });
    expect(ended.status).toBe("stopped");
    const { data: archived } = await owner.api.organizations.get({ params });
    expect([archived.is_active, typeof archived.archived_at]).toEqual([false, "string"]);
    for (const call of [
      () => owner.api.organizations.update({ params, body: { name: "New" } }),
      () => owner.api.organizations.archive({ params }),
      () => owner.api.projects.create({ body: { organization_id: orgId, name: "P" } }),
      () => owner.api.runs.create({ params: { agent_id: agent.id }, body: { external: true } }),
    ]) {
      await expectProblem(call(), 409, "organization_archived");
    }
    expect((await owner.api.organizations.list()).data.map(({ id }) => id)).not.toContain(orgId);
    const all = await owner.api.organizations.list({ query: { include_archived: "true" } });
    expect(all.data.map(({ id }) => id)).toContain(orgId);
    await expectProblem(scoped.organizations.list(), 401, "invalid_token");
    expect((await wide.organizations.get({ params })).status).toBe(200);

    const { data: restored } = await owner.api.organizations.restore({ params });
    expect([restored.is_active, restored.archived_at]).toEqual([true, null]);
    expect((await scoped.organizations.list()).data.map(({ id }) => id)).toEqual([orgId]);
  });

  test("a transfer makes the member an owner and the former owner an admin", async () => {
    const params = { org_id: orgId };
    const stranger = await app.person("stranger");
    for (const userId of [stranger.id, owner.id]) {
      await expectProblem(
        owner.api.organizations.transfer({ params, body: { user_id: userId } }),
        422,
        "validation_failed",
      );
    }
    const { data } = await owner.api.organizations.transfer({
      params,
      body: { user_id: admin.id },
    });
    expect(data.owner_id).toBe(admin.id);
    const { data: members } = await admin.api.members.list({ params });
    const roleOf = (id: string) => members.find(({ user_id }) => user_id === id)?.role_name;
    expect([roleOf(admin.id), roleOf(owner.id)]).toEqual(["owner", "admin"]);
    await expectProblem(
      owner.api.organizations.archive({ params }),
      403,
      "insufficient_permission",
    );
  });
});
