/** If-Match holds against every other change, also one that is committed between the request and its own change. */
import { randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Client } from "#shared/contract/client.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { queryAsAdmin, queryAsOwner } from "../support/database/queries.js";
import {
  makeAgent,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "../support/fixtures/factories.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "../support/server/app.js";
import { rounds } from "../support/thorough.js";

const conditionalRounds = rounds({ thorough: 60, else: 10 });
const plainRounds = rounds({ thorough: 40, else: 4 });

let here: TestApp;
let there: TestApp;
let owner: TestPerson;
let orgId: string;
let projectId: string;
beforeAll(async () => {
  here = await startTestApp();
  there = await here.sibling();
  owner = await here.person("owner");
  await queryAsOwner(here, "update users set is_super_admin = true where id = $1", [owner.id]);
  orgId = (await makeOrganization(owner)).id;
  projectId = (await makeProject(owner, orgId)).id;
});
afterAll(async () => {
  await there.close();
  await here.close();
});

interface Options {
  headers: Record<string, string>;
}
interface Item {
  read: (api: Client) => Promise<{ headers: Headers }>;
  change: (api: Client, text: string, options?: Options) => Promise<unknown>;
  /** Removes the item, if it can be removed. */
  remove?: (api: Client, options: Options) => Promise<unknown>;
}

/** Statements that take a lock which a change needs. */
const ofOrganization = () =>
  `select pg_advisory_xact_lock(hashtextextended('organization ${orgId}', 0))`;
const ofPerson = () => `select from users where id = '${owner.id}' for update`;

const itemsOfOrganization: Record<string, () => Promise<Item>> = {
  "an organization": async () => {
    const params = { org_id: orgId };
    return {
      read: (api) => api.organizations.get({ params }),
      change: (api, name, options) => api.organizations.update({ params, body: { name } }, options),
    };
  },
  "a role": async () => {
    const body = { name: randomUUID(), permissions: ["org:read"] };
    const { data } = await owner.api.roles.create({ params: { org_id: orgId }, body });
    const params = { org_id: orgId, role_id: data.id };
    return {
      read: (api) => api.roles.get({ params }),
      change: (api, description, options) =>
        api.roles.update({ params, body: { description } }, options),
      remove: (api, options) => api.roles.remove({ params }, options),
    };
  },
  "a member": async () => {
    const person = await here.person();
    const { data } = await owner.api.members.add({
      params: { org_id: orgId },
      body: { user_id: person.id, role_id: systemRoleIds.viewer },
    });
    const params = { org_id: orgId, member_id: data.id };
    return {
      read: (api) => api.members.get({ params }),
      change: (api, text, options) => {
        const role_id = text === "first" ? systemRoleIds.member : systemRoleIds.admin;
        return api.members.update({ params, body: { role_id } }, options);
      },
      remove: (api, options) => api.members.remove({ params }, options),
    };
  },
  "a project": async () => {
    const params = { project_id: (await makeProject(owner, orgId)).id };
    return {
      read: (api) => api.projects.get({ params }),
      change: (api, description, options) =>
        api.projects.update({ params, body: { description } }, options),
      remove: (api, options) => api.projects.delete({ params }, options),
    };
  },
  "an environment": async () => {
    const params = { project_id: (await makeProject(owner, orgId)).id };
    return {
      read: (api) => api.environments.get({ params }),
      change: (api, text, options) => {
        const body = {
          setup_script: "",
          cache_key_files: [],
          variables: { TEXT: text },
          allowed_hosts: null,
          network: "none" as const,
        };
        return api.environments.set({ params, body }, options);
      },
    };
  },
  "a check": async () => {
    const params = { project_id: projectId, name: `check-${randomUUID().slice(0, 8)}` };
    const set = (api: Client, text: string, options?: Options) =>
      api.mergeQueue.setCheck({ params, body: { command: ["echo", text] } }, options);
    await set(owner.api, "made");
    return {
      read: (api) => api.mergeQueue.check({ params }),
      change: set,
      remove: (api, options) => api.mergeQueue.deleteCheck({ params }, options),
    };
  },
  "an agent": async () => {
    const params = { agent_id: (await makeAgent(owner, projectId)).id };
    return {
      read: (api) => api.agents.get({ params }),
      change: (api, description, options) =>
        api.agents.update({ params, body: { description } }, options),
      remove: (api, options) => api.agents.delete({ params }, options),
    };
  },
  "a workspace": async () => {
    const { workspace } = await makeWorkspace(owner, projectId);
    const params = { agent_id: workspace.agent_id };
    return {
      read: (api) => api.workspaces.get({ params }),
      change: (api, text, options) => {
        const body = { settings: { retention_days: text === "first" ? 5 : 6 } };
        return api.workspaces.update({ params, body }, options);
      },
      remove: (api, options) => api.workspaces.archive({ params }, options),
    };
  },
  "a secret": async () => {
    const params = { org_id: orgId, name: `SECRET_${randomUUID().slice(0, 8).toUpperCase()}` };
    const set = (api: Client, value: string, options?: Options) =>
      api.organizationSecrets.set({ params, body: { value, kind: "variable" } }, options);
    await set(owner.api, "made");
    return {
      read: (api) => api.organizationSecrets.get({ params }),
      change: set,
      remove: (api, options) => api.organizationSecrets.delete({ params }, options),
    };
  },
  "a service account": async () => {
    const { data } = await owner.api.serviceAccounts.create({
      params: { org_id: orgId },
      body: { name: randomUUID(), role_id: systemRoleIds.viewer },
    });
    const params = { org_id: orgId, service_account_id: data.id };
    return {
      read: (api) => api.serviceAccounts.get({ params }),
      change: (api, description, options) =>
        api.serviceAccounts.update({ params, body: { description } }, options),
      remove: (api, options) => api.serviceAccounts.delete({ params }, options),
    };
  },
};

const itemsOfPerson: Record<string, () => Promise<Item>> = {
  "the own profile": async () => ({
    read: (api) => api.auth.me(),
    change: (api, full_name, options) => api.auth.updateMe({ body: { full_name } }, options),
  }),
  "an API key": async () => {
    const { data } = await owner.api.apiKeys.create({ body: { name: "made" } });
    const params = { key_id: data.id };
    return {
      read: (api) => api.apiKeys.get({ params }),
      change: (api, name, options) => api.apiKeys.update({ params, body: { name } }, options),
    };
  },
  "the own notifications": async () => ({
    read: (api) => api.notifications.get(),
    change: (api, text, options) => {
      const choice = { kind: "run_failed" as const, webhook: false, scope: "all" as const };
      const body = { choices: [{ ...choice, email: text === "first" }] };
      return api.notifications.set({ body }, options);
    },
  }),
};

/** Waits until so many transactions wait for a lock; background work may be among them. */
const waiting = (count: number) =>
  expect
    .poll(
      async () => {
        const [row] = await queryAsAdmin<{ count: number }>(
          here,
          `select count(*)::int from pg_stat_activity
           where datname = current_database() and wait_event_type = 'Lock'`,
        );
        return row?.count;
      },
      { interval: 10 },
    )
    .toBeGreaterThanOrEqual(count);

/** Commits a plain change after a conditional one was received and before it changed anything. */
async function race(
  lock: string,
  { read, change }: Item,
  conditional: (api: Client, options: Options) => Promise<unknown>,
): Promise<PromiseSettledResult<unknown>[]> {
  const other = there.client(owner.token);
  const { headers } = await read(other);
  const options = { headers: { "if-match": headers.get("etag") ?? "" } };
  const holder = new pg.Client({ ...here.owner, options: "-c app.system=on" });
  await holder.connect();
  try {
    await holder.query("begin");
    await holder.query(lock);
    const plain = change(owner.api, "first");
    await waiting(1);
    const guarded = conditional(other, options);
    const both = Promise.allSettled([plain, guarded]);
    await waiting(2);
    await holder.query("commit");
    return await both;
  } finally {
    await holder.end();
  }
}

async function expectStale(outcomes: PromiseSettledResult<unknown>[]): Promise<void> {
  const [plain, guarded] = outcomes;
  expect(plain?.status).toBe("fulfilled");
  expect(guarded?.status).toBe("rejected");
  const { reason } = guarded as PromiseRejectedResult;
  await expectProblem(Promise.reject(reason as Error), 412, "stale");
}

describe("a change with If-Match fails after a plain one that was first", () => {
  const all = [
    ...Object.entries(itemsOfOrganization).map(
      ([name, open]) => [name, ofOrganization, open] as const,
    ),
    ...Object.entries(itemsOfPerson).map(([name, open]) => [name, ofPerson, open] as const),
  ];
  test.each(all)("of %s", async (_, lock, open) => {
    const item = await open();
    const { change, remove } = item;
    const changeLast = (api: Client, options: Options) => change(api, "last", options);
    await expectStale(await race(lock(), item, changeLast));
    if (remove) {
      await change(owner.api, "last");
      await expectStale(await race(lock(), item, remove));
    }
    // With the present tag, both succeed.
    const { headers } = await item.read(owner.api);
    const options = { headers: { "if-match": headers.get("etag") ?? "" } };
    await (remove ?? changeLast)(owner.api, options);
  });
});

test("no update is lost among plain and conditional changes through two servers", async () => {
  const { id } = await makeOrganization(owner);
  const params = { org_id: id };
  const apis = [owner.api, there.client(owner.token)];
  const seenBy = new Map<string, string | null>();
  let refused = 0;
  const conditional = async (api: Client): Promise<void> => {
    for (let round = 0; round < conditionalRounds; round += 1) {
      const { data, headers } = await api.organizations.get({ params });
      const description = randomUUID();
      const options = { headers: { "if-match": headers.get("etag") ?? "" } };
      try {
        await api.organizations.update({ params, body: { description } }, options);
        seenBy.set(description, data.description);
      } catch (error) {
        await expectProblem(Promise.reject(error), 412, "stale");
        refused += 1;
      }
    }
  };
  const plain = async (api: Client): Promise<void> => {
    for (let round = 0; round < plainRounds; round += 1) {
      await api.organizations.update({ params, body: { description: randomUUID() } });
    }
  };
  await Promise.all(apis.flatMap((api) => [conditional(api), conditional(api), plain(api)]));
  expect(seenBy.size + refused).toBe(4 * conditionalRounds);
  expect(seenBy.size).toBeGreaterThan(0);
  const rows = await queryAsOwner<{ before: string | null; after: string }>(
    here,
    `select changes #>> '{description,from}' as before, changes #>> '{description,to}' as after
     from audit_events where org_id = $1 and action = 'organization.updated'`,
    [id],
  );
  const replaced = new Map(rows.map(({ before, after }) => [after, before]));
  for (const [description, seen] of seenBy) expect(replaced.get(description)).toBe(seen);
});
