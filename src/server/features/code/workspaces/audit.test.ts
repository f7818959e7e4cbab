import { beforeAll, describe, expect, test } from "vitest";
import type { AuditEvent } from "#shared/api/organization/audit.js";
import type { Merge } from "#shared/api/code/merges.js";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  makeAgent,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";

describe("the audit log of workspaces", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });

  const eventsOf = async (targetId: string): Promise<AuditEvent[]> => {
    const query = { target_id: targetId };
    return (await owner.api.audit.list({ params: { org_id: orgId }, query })).data;
  };

  test("records creation and changes, but no update without a change", async () => {
    const project = await makeProjectWith(owner, orgId, { f: "base\n" });
    const agent = await makeAgent(owner, project.id);
    const params = { agent_id: agent.id };
    await owner.api.workspaces.create({ params, body: { merge_strategy: "target_wins" } });
    const settings = { auto_checkpoint: false, retention_days: 7 };
    await owner.api.workspaces.update({ params, body: { settings } });
    await owner.api.workspaces.update({ params, body: { settings } });
    const target = { type: "workspace", id: agent.id, name: `workspace-${agent.name}` };
    const events = (await eventsOf(agent.id)).filter(({ target: { type } }) => type !== "agent");
    expect(events).toMatchObject([
      {
        action: "workspace.updated",
        target,
        changes: {
          auto_checkpoint: { from: true, to: false },
          retention_days: { from: 30, to: 7 },
        },
      },
      {
        action: "workspace.created",
        target,
        changes: {
          base_branch: { from: null, to: "main" },
          merge_strategy: { from: null, to: "target_wins" },
        },
        actor: { id: owner.id, api_key_id: null },
        ip: "127.0.0.1",
      },
    ]);
  });

  /** Creates a merge with a conflict by an API key. */
  async function mergeByKey() {
    const project = await makeProjectWith(owner, orgId, { f: "base\n" });
    const one = (await makeWorkspace(owner, project.id)).workspace;
    const two = (await makeWorkspace(owner, project.id)).workspace;
    await commitFiles(owner, one, { f: "one\n" });
    await commitFiles(owner, two, { f: "two\n" });
    await mergeIntoBase(owner, one);
    const { data: key } = await owner.api.apiKeys.create({
      body: { name: "merger", organization_id: orgId },
    });
    const params = { agent_id: two.agent_id };
    const asKey = app.client(key.key as string);
    const before = await gitInRepository(app, project, "rev-parse", "main");
    const { data, headers } = await asKey.workspaces.createMerge({ params });
    return { project, workspace: two, key, merge: data as Merge & { id: string }, before, headers };
  }

  test("records a merge with its conflicts, actor and key, but not its commits", async () => {
    const { workspace, key, merge } = await mergeByKey();
    const events = await eventsOf(merge.id);
    expect(events).toMatchObject([
      {
        action: "merge.created",
        target: { type: "merge", id: merge.id, name: `${workspace.branch_name} → main` },
        changes: {
          status: { from: null, to: "conflict_resolved" },
          merge_commit_sha: { from: null, to: merge.merge_commit_sha },
          conflicts: { from: null, to: ["f"] },
        },
        actor: { id: owner.id, api_key_id: key.id },
      },
    ]);
    const actions = (await eventsOf(workspace.agent_id)).map(({ action }) => action);
    expect(actions.toSorted()).toEqual(["agent.created", "workspace.created"]);
  });

  test.each([true, false])(
    "records a merge that a restart completes (%s) under its original actor",
    async (moved) => {
      const { project, merge, key, before } = await mergeByKey();
      const [event] = await eventsOf(merge.id);
      await queryAsOwner(app, "alter table audit_events disable trigger user");
      await queryAsOwner(app, "delete from audit_events where id = $1", [event?.id]);
      await queryAsOwner(app, "alter table audit_events enable trigger user");
      await queryAsOwner(app, "update merges set state = 'pending' where id = $1", [merge.id]);
      if (!moved) await gitInRepository(app, project, "update-ref", "refs/heads/main", before);
      await (await app.sibling()).close();
      const again = await eventsOf(merge.id);
      if (!moved) {
        expect(again).toEqual([]);
        return;
      }
      const { id: _id, at: _at, hash: _hash, ...recorded } = event as AuditEvent;
      expect(again).toMatchObject([recorded]);
      expect(recorded.actor.api_key_id).toBe(key.id);
    },
  );
});
