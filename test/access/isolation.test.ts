import { randomBytes, randomUUID } from "node:crypto";
import fastify from "fastify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { urlOf } from "#shared/contract/client.js";
import type { Endpoint } from "#shared/contract/endpoint.js";
import { api } from "#shared/api/index.js";
import { grants, systemRoles, type SystemRole } from "#shared/permissions.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { routesOf, type RouteOptions } from "#server/http/register-routes.js";
import { startTestApp, type TestApp, type TestPerson } from "../support/server/app.js";
import { startCluster } from "../support/server/cluster.js";
import {
  problemOf,
  type RawResponse,
  send,
  withoutRequestId,
} from "../support/http/raw-request.js";
import { makeOrganization } from "../support/fixtures/factories.js";
import { insertAutomation } from "../support/database/insert-automation.js";
import { insertForge } from "../support/database/insert-forge.js";
import { insertDelivery } from "../support/database/insert-forge-events.js";
import { insertAttempt } from "../support/database/insert-attempt.js";
import { insertOpinion } from "../support/database/insert-opinion.js";
import { insertDraft, insertReview } from "../support/database/insert-review.js";
import { insertSession } from "../support/database/insert-session.js";
import { insertNotifications } from "../support/database/insert-notification.js";
import { makeServiceAccount } from "../support/fixtures/service-accounts.js";
import { insertRunner } from "../support/runners/runners.js";
import { insertWebhook } from "../support/database/insert-webhook.js";
import { queryAsOwner } from "../support/database/queries.js";
import {
  makeFullOrganization,
  type FullOrganization,
} from "../support/fixtures/full-organization.js";

/** Values for paths and bodies: ids of an organization, or of nothing. */
type Ids = Record<
  | "org_id"
  | "user_id"
  | "role_id"
  | "member_id"
  | "session_id"
  | "project_id"
  | "agent_id"
  | "sha"
  | "merge_id"
  | "merge_request_id"
  | "protection_change_id"
  | "name"
  | "secret_name"
  | "run_id"
  | "task_id"
  | "thread_id"
  | "attempt_id"
  | "request_id"
  | "key_id"
  | "item_key"
  | "passkey_id"
  | "identity_id"
  | "period"
  | "invitation_id"
  | "webhook_id"
  | "forge_id"
  | "login"
  | "pull_request_id"
  | "automation_id"
  | "opinion_id"
  | "delivery_id"
  | "service_account_id"
  | "account_key_id"
  | "token"
  | "user_code"
  | "node_id"
  | "runner_id",
  string
>;

const thisMonth = (): string => new Date().toISOString().slice(0, 7);

/** An organization with a webhook and a service account, whose owner also has a passkey, a linked identity and an approved device login. */
type Full = FullOrganization & {
  forgeId: string;
  pullRequestId: string;
  automationId: string;
  attemptId: string;
  threadId: string;
  opinionId: string;
  passkeyId: string;
  identityId: string;
  webhookId: string;
  deliveryId: string;
  accountId: string;
  accountKeyId: string;
  userCode: string;
  nodeId: string;
  runnerId: string;
};

async function fill(app: TestApp, owner: TestPerson): Promise<Full> {
  const full = await makeFullOrganization(owner);
  const [passkeyId, identityId] = [randomUUID(), randomUUID()];
  await queryAsOwner(
    app,
    `insert into passkeys (id, user_id, name, credential_id, public_key, counter, transports, backed_up)
     values ($1, $2, 'a passkey', gen_random_uuid()::text, '', 0, '{}', false)`,
    [passkeyId, owner.id],
  );
  await queryAsOwner(
    app,
    `insert into accounts (id, user_id, provider_id, account_id)
     values ($1, $2, 'https://id.example.com/', gen_random_uuid()::text)`,
    [identityId, owner.id],
  );
  // Parameters have one value each, so that it has the id of the person's own session.
  await insertSession(app, full.sessionId, full.agent.id);
  const attemptId = await insertAttempt(app, full.task.id, full.agent.id, full.sessionId);
  const threadId = await insertReview(app, {
    taskId: full.task.id,
    attemptId,
    userId: owner.id,
  });
  const { data: started } = await app.client().deviceLogin.start({ body: {} });
  const userCode = started.user_code;
  await owner.api.deviceLogin.approve({ params: { user_code: userCode } });
  const { webhookId, deliveryId } = await insertWebhook(app, full.id, owner.id);
  await insertNotifications(app, full.id, owner.id);
  const robot = await makeServiceAccount(app, owner, full.id, { role: "viewer" });
  const [accountId, accountKeyId] = [robot.account.id, robot.keyId];
  const runnerId = await insertRunner(app, full.id);
  const forged = await insertForge(app, attemptId);
  // Webhooks and forges have deliveries; both calls get this id.
  await insertDelivery(app, forged.forgeId, deliveryId);
  const inserted = { passkeyId, identityId, webhookId, deliveryId, accountId, accountKeyId };
  return {
    ...full,
    ...inserted,
    ...forged,
    automationId: await insertAutomation(app, full.project.id, owner.id),
    attemptId,
    threadId,
    opinionId: await insertOpinion(app, attemptId),
    userCode,
    nodeId: app.db.node.id,
    runnerId,
  };
}

const idsOf = (full: Full): Ids => ({
  org_id: full.id,
  user_id: full.owner.id,
  role_id: full.roleId,
  member_id: full.memberId,
  session_id: full.sessionId,
  project_id: full.project.id,
  agent_id: full.agent.id,
  sha: full.commitSha,
  merge_id: full.merge.id as string,
  merge_request_id: full.mergeRequest.id,
  protection_change_id: full.protectionChange.id,
  name: full.checkName,
  secret_name: full.secretName,
  run_id: full.run.id,
  task_id: full.task.id,
  thread_id: full.threadId,
  attempt_id: full.attemptId,
  request_id: full.sessionId,
  key_id: full.key.id,
  item_key: `failed_run:${full.run.id}`,
  period: thisMonth(),
  invitation_id: full.invitation.id,
  // An invitation token grants access to its holder, so it is replaced by a random one.
  token: randomBytes(32).toString("base64url"),
  passkey_id: full.passkeyId,
  identity_id: full.identityId,
  user_code: full.userCode,
  node_id: full.nodeId,
  runner_id: full.runnerId,
  webhook_id: full.webhookId,
  forge_id: full.forgeId,
  login: "lead",
  pull_request_id: full.pullRequestId,
  automation_id: full.automationId,
  opinion_id: full.opinionId,
  delivery_id: full.deliveryId,
  service_account_id: full.accountId,
  account_key_id: full.accountKeyId,
});
const idsOfNothing = (): Ids => ({
  org_id: randomUUID(),
  user_id: randomUUID(),
  role_id: randomUUID(),
  member_id: randomUUID(),
  session_id: randomUUID(),
  project_id: randomUUID(),
  agent_id: randomUUID(),
  sha: randomBytes(20).toString("hex"),
  merge_id: randomUUID(),
  merge_request_id: randomUUID(),
  protection_change_id: randomUUID(),
  name: "check-of-nothing",
  secret_name: "SECRET_OF_NOTHING",
  run_id: randomUUID(),
  task_id: randomUUID(),
  thread_id: randomUUID(),
  attempt_id: randomUUID(),
  request_id: randomUUID(),
  key_id: randomUUID(),
  item_key: `failed_run:${randomUUID()}`,
  period: thisMonth(),
  invitation_id: randomUUID(),
  token: randomBytes(32).toString("base64url"),
  passkey_id: randomUUID(),
  identity_id: randomUUID(),
  user_code: "BCDF-GHJK",
  node_id: randomUUID(),
  runner_id: randomUUID(),
  webhook_id: randomUUID(),
  forge_id: randomUUID(),
  login: "nobody-there",
  pull_request_id: randomUUID(),
  automation_id: randomUUID(),
  opinion_id: randomUUID(),
  delivery_id: randomUUID(),
  service_account_id: randomUUID(),
  account_key_id: randomUUID(),
});

/** A valid body for each call that needs one. A new call without one fails the first test below. */
const bodies: Record<string, (ids: Ids) => unknown> = {
  "projectMoves.start": () => ({ node: "default" }),
  "auth.register": () => ({}),
  "auth.login": () => ({}),
  "auth.refresh": () => ({}),
  "auth.updateMe": () => ({}),
  "auth.verifyEmail": () => ({}),
  "auth.resendVerification": () => ({}),
  "auth.forgotPassword": () => ({}),
  "auth.resetPassword": () => ({}),
  "auth.changePassword": () => ({}),
  "secondFactor.startTotp": () => ({}),
  "secondFactor.confirmTotp": () => ({ code: "123456" }),
  "secondFactor.removeTotp": () => ({ code: "123456" }),
  "secondFactor.renewRecoveryCodes": () => ({}),
  "secondFactor.login": () => ({}),
  "passkeys.create": () => ({}),
  "passkeys.rename": () => ({ name: "mine now" }),
  "passkeys.login": () => ({}),
  "oidc.link": () => ({}),
  "deviceLogin.start": () => ({}),
  "deviceLogin.token": () => ({ device_code: "not-one" }),
  "deviceLogin.approve": () => ({}),
  "organizations.create": () => ({ name: "Mine" }),
  "organizations.update": () => ({ name: "Mine now" }),
  "organizations.transfer": ({ user_id }) => ({ user_id }),
  "roles.create": ({ role_id }) => ({ name: "mine", permissions: [], inherits_from: role_id }),
  "roles.update": () => ({ permissions: [] }),
  "members.add": ({ agent_id }) => ({ agent_id, role_id: systemRoleIds.viewer }),
  "invitations.create": ({ role_id }) => ({ email: "mine@example.com", role_id }),
  "members.update": () => ({ role_id: systemRoleIds.viewer }),
  "projects.create": ({ org_id }) => ({ organization_id: org_id, name: "Mine" }),
  "projects.update": () => ({ name: "Mine now" }),
  "upstreams.push": () => ({}),
  "upstreams.setCredential": () => ({ kind: "https_token", token: "not-a-token" }),
  "upstreams.trustHostKey": () => ({ host_key: null }),
  "overview.dismiss": () => ({}),
  "tasks.create": () => ({ body: "Mine", start: false }),
  "tasks.update": () => ({ title: "Mine now" }),
  "tasks.addAttempts": () => ({ preset: "custom", command: ["true"] }),
  "tasks.prompt": () => ({ text: "Hello" }),
  "reviews.publish": () => ({ verdict: "comment", body: "Mine", commit_sha: "0".repeat(40) }),
  "reviews.saveDraft": () => ({ body: "Mine", commit_sha: "0".repeat(40) }),
  "reviews.setViewed": ({ sha }) => ({ path: "of-mine.txt", commit_sha: sha }),
  "opinions.ask": () => ({ preset: "codex" }),
  "opinions.dismiss": () => ({ reason: "Mine" }),
  "opinions.publish": () => ({ verdict: "comment", body: "Mine" }),
  "threads.reply": () => ({ body: "Mine" }),
  "threads.update": () => ({ resolved: true }),
  "threads.applyAll": ({ thread_id }) => ({ thread_ids: [thread_id] }),
  "agents.create": ({ project_id }) => ({ project_id, name: "mine" }),
  "agents.update": () => ({ description: "Mine now" }),
  "runs.create": () => ({ external: true }),
  "runs.stop": () => ({ status: "stopped" }),
  "agentSessions.create": () => ({ preset: "custom", command: ["true"] }),
  "agentSessions.prompt": () => ({ text: "Hello" }),
  "agentSessions.answer": () => ({ option_id: "yes" }),
  "agentSessions.update": () => ({ title: "Mine now" }),
  "workspaces.create": () => ({}),
  "workspaces.update": () => ({ settings: { auto_checkpoint: false } }),
  "workspaces.createCommit": () => ({ commit_type: "manual" }),
  "workspaces.previewMerge": () => ({}),
  "workspaces.createMerge": () => ({}),
  "workspaces.previewConflicts": () => ({}),
  "workspaces.sync": () => ({}),
  "workspaces.revertMerge": () => ({}),
  "workspaces.restoreVersion": () => ({ paths: ["of-mine.txt"] }),
  "mergeQueue.setCheck": () => ({ command: ["true"] }),
  "protectionChanges.propose": () => ({ protected_branches: [] }),
  "environments.set": () => ({ variables: { GREETING: "hello" } }),
  "organizationSecrets.set": () => ({ value: "mine now", kind: "variable" }),
  "projectSecrets.set": () => ({ value: "mine now", kind: "variable" }),
  "notifications.set": () => ({ choices: [] }),
  "notifications.setForOrganization": () => ({ choices: [] }),
  "notifications.setWebhook": () => ({ url: "https://8.8.8.8/hook" }),
  "forges.create": () => ({ kind: "github", url: "https://127.0.0.1:1", token: "mine" }),
  "forges.update": () => ({ name: "Mine now" }),
  "githubApps.manifest": () => ({ url: "https://github.com" }),
  "forgePeople.set": ({ user_id }) => ({ user_id }),
  "forgePeople.link": () => ({ token: "mine" }),
  "upstreams.linkRepository": ({ forge_id }) => ({ forge_id, repository: "acme/shop" }),
  "automations.create": () => ({
    name: "Mine",
    triggers: [{ type: "webhook" }],
    action: { type: "prompt_task", text: "Go on" },
  }),
  "automations.update": () => ({ name: "Mine now" }),
  "automations.test": () => ({}),
  "automations.run": () => ({}),
  "pullRequests.open": () => ({}),
  "pullRequests.merge": () => ({}),
  "pullRequests.update": () => ({ title: "Mine now" }),
  "webhooks.create": () => ({ url: "https://8.8.8.8/hook", events: ["run.failed"] }),
  "webhooks.update": () => ({ description: "Mine now" }),
  "doctor.run": () => ({}),
  "maintenance.start": () => ({ message: "Back soon." }),
  "runners.create": () => ({ name: "mine" }),
  "runners.update": () => ({ name: "mine now" }),
  "serviceAccounts.create": ({ role_id }) => ({ name: "mine", role_id }),
  "serviceAccounts.update": () => ({ description: "Mine now" }),
  "serviceAccounts.createKey": () => ({ name: "mine" }),
  "serviceAccounts.rotateKey": () => ({}),
  "previews.create": ({ merge_id }) => ({ act: "revert", merge_id }),
  "apiKeys.create": ({ org_id }) => ({ name: "mine", organization_id: org_id }),
  "apiKeys.update": () => ({ name: "mine now" }),
  "apiKeys.rotate": () => ({}),
  "apiKeys.narrow": () => ({ scopes: ["*:*"] }),
  "apiKeys.verify": () => ({ key: "sk_live_not-one" }),
  "apiKeys.revokeLeaked": () => ({ key: "sk_live_not-one" }),
};

/** A valid query for each call that requires one. */
const queries: Record<string, (ids: Ids) => Record<string, string>> = {
  "reviews.file": ({ sha }) => ({ path: "of-mine.txt", commit_sha: sha }),
  "reviews.search": () => ({ q: "text" }),
  "organizations.slugAvailability": () => ({ slug: "free-for-all" }),
  "overview.results": () => ({ since: new Date().toISOString() }),
  "projects.files": () => ({ q: "a" }),
  "automations.nextTimes": () => ({ cron: "0 7 * * 1", timezone: "UTC" }),
  "agentSessions.search": () => ({ q: "text" }),
};

const calls = Object.entries(api).flatMap(([resource, endpoints]) =>
  Object.entries(endpoints as Record<string, Endpoint>).map(([name, endpoint]) => ({
    call: `${resource}.${name}`,
    endpoint,
  })),
);
const ofOthers = calls.filter(
  ({ call, endpoint }) =>
    endpoint.access !== "public" &&
    (endpoint.params !== null ||
      ["projects.create", "agents.create", "apiKeys.create"].includes(call)),
);
/** The ids in a path besides the one that identifies the tenant; months and names have no owner. */
const innerOf = ({ params, tenant }: Endpoint): string[] =>
  Object.keys(params?.shape ?? {}).filter(
    (name) => `params.${name}` !== tenant && !["period", "name"].includes(name),
  );
/** Calls whose body names something besides the organization. */
const namingInBody = new Set([
  "members.add",
  "invitations.create",
  "organizations.transfer",
  "roles.create",
  "previews.create",
  "serviceAccounts.create",
]);
const withInner = ofOthers.filter(
  ({ call, endpoint }) =>
    endpoint.tenant !== null && (innerOf(endpoint).length > 0 || namingInBody.has(call)),
);

type Ask = (
  call: string,
  endpoint: Endpoint,
  path: Ids,
  token?: string,
  inBody?: Ids,
) => Promise<RawResponse>;
const askIn =
  (app: TestApp): Ask =>
  (call, endpoint, ids, token, inBody = ids) => {
    const path = {
      ...ids,
      ...(/^(organization|project)Secrets\./.test(call) && { name: ids.secret_name }),
      ...(call.startsWith("serviceAccounts.") && { key_id: ids.account_key_id }),
    };
    return send(
      app,
      endpoint.method,
      urlOf(endpoint, { params: path, query: queries[call]?.(ids) ?? {} }),
      {
        ...(token === undefined ? {} : { token }),
        ...(endpoint.body === null ? {} : { body: bodies[call]?.(inBody) }),
      },
    );
  };

describe.each([
  { title: "isolation over HTTP", isElsewhere: false },
  { title: "isolation through a node that is not the home", isElsewhere: true },
])("$title", ({ isElsewhere }) => {
  let app: TestApp;
  let close: () => Promise<void>;
  let ask: Ask;
  let theirs: Full;
  let own: Full;
  let stranger: TestPerson;
  let keysElsewhere: string[];
  beforeAll(async () => {
    if (isElsewhere) {
      const env = { OMOI_PUBLIC_URL: "https://omoi.example.com", OMOI_REGISTRATION: "open" };
      const cluster = await startCluster(["one", "two"], env);
      close = () => cluster.close();
      app = cluster.nodes[1] as TestApp;
      // New projects go to the other node.
      await queryAsOwner(app, "update nodes set draining = name = 'two'");
    } else {
      app = await startTestApp();
      close = () => app.close();
    }
    ask = askIn(app);
    theirs = await fill(app, await app.person("owner"));
    stranger = await app.person("stranger");
    own = await fill(app, stranger);
    // Same owner, so that only the key is restricted.
    const elsewhere = await makeOrganization(theirs.owner);
    keysElsewhere = await Promise.all(
      ["*", "project:read"].map(async (pattern) => {
        const scopes = [`org:${elsewhere.slug}:${pattern}`];
        const { data } = await theirs.owner.api.apiKeys.create({ body: { name: "k", scopes } });
        return data.key as string;
      }),
    );
    const { id } = elsewhere;
    const robot = await makeServiceAccount(app, theirs.owner, id, { role: "admin" });
    keysElsewhere.push(robot.key);
  });
  afterAll(() => close());

  test("every call with a body has an example", () => {
    const missing = calls.filter(({ call, endpoint }) => endpoint.body && !bodies[call]);
    expect(missing.map(({ call }) => call)).toEqual([]);
  });

  test.each(ofOthers)("$call answers a stranger as if the resource did not exist", async (one) => {
    const { call, endpoint } = one;
    const real = await ask(call, endpoint, idsOf(theirs), stranger.token);
    const nothing = await ask(call, endpoint, idsOfNothing(), stranger.token);
    expect([404, 422]).toContain(real.status);
    expect(problemOf(real).code).toMatch(/^(not_found|validation_failed)$/);
    expect([real.status, withoutRequestId(real)]).toEqual([
      nothing.status,
      withoutRequestId(nothing),
    ]);
  });

  test.each(withInner)(
    "$call with the caller's organization does not reach another's resources",
    async (one) => {
      const { call, endpoint } = one;
      const [mine, other, nothing] = [idsOf(own), idsOf(theirs), idsOfNothing()];
      const mixed = (ids: Ids): Ids => ({
        ...mine,
        ...Object.fromEntries(innerOf(endpoint).map((name) => [name, ids[name as keyof Ids]])),
        account_key_id: ids.account_key_id,
      });
      const real = await ask(call, endpoint, mixed(other), stranger.token, other);
      const absent = await ask(call, endpoint, mixed(nothing), stranger.token, nothing);
      expect([404, 422]).toContain(real.status);
      expect([real.status, withoutRequestId(real)]).toEqual([
        absent.status,
        withoutRequestId(absent),
      ]);
    },
  );

  test("organizations cannot be found by slug either", async () => {
    for (const { endpoint, call } of calls.filter(({ call }) =>
      /^(organizations|usage)\./.test(call),
    )) {
      if (endpoint.params === null) continue;
      const real = await ask(
        call,
        endpoint,
        { ...idsOf(theirs), org_id: theirs.slug },
        own.owner.token,
      );
      const nothing = await ask(
        call,
        endpoint,
        { ...idsOf(theirs), org_id: "no-such-one" },
        own.owner.token,
      );
      expect([real.status, withoutRequestId(real)]).toEqual([404, withoutRequestId(nothing)]);
    }
  });

  test("lists contain only the caller's rows, also if they name another organization", async () => {
    const { api: mine } = stranger;
    expect((await mine.organizations.list()).data.map(({ id }) => id)).toEqual([own.id]);
    expect((await mine.projects.list()).data.map(({ id }) => id)).toEqual([own.project.id]);
    expect((await mine.agents.list()).data.map(({ id }) => id)).toEqual([own.agent.id]);
    expect((await mine.apiKeys.list()).data.map(({ id }) => id)).toEqual([own.key.id]);
    const { data: byProject } = await mine.agents.list({
      query: { project_id: theirs.project.id },
    });
    expect(byProject).toEqual([]);
    for (const list of ["/api/v1/projects", "/api/v1/agents"]) {
      const at = (id: string) =>
        send(app, "GET", `${list}?organization_id=${id}`, { token: stranger.token });
      const [real, nothing] = [await at(theirs.id), await at(randomUUID())];
      expect([real.status, withoutRequestId(real)]).toEqual([422, withoutRequestId(nothing)]);
    }
  });

  test.each(ofOthers)(
    "$call answers a key of another organization as if the resource did not exist",
    async (one) => {
      const { call, endpoint } = one;
      for (const key of keysElsewhere) {
        const real = await ask(call, endpoint, idsOf(theirs), key);
        const nothing = await ask(call, endpoint, idsOfNothing(), key);
        expect(real.status).toBeGreaterThanOrEqual(400);
        expect([real.status, withoutRequestId(real)]).toEqual([
          nothing.status,
          withoutRequestId(nothing),
        ]);
      }
    },
  );

  test("rejects another organization's agent as a parent, and its role", async () => {
    for (const parent_agent_id of [theirs.agent.id, randomUUID()]) {
      const answer = await send(app, "POST", "/api/v1/agents", {
        token: stranger.token,
        body: { project_id: own.project.id, name: "child", parent_agent_id },
      });
      expect(problemOf(answer).errors).toEqual([
        {
          loc: ["body", "parent_agent_id"],
          msg: "does not name an agent of this project",
          type: "unknown_id",
        },
      ]);
    }
  });

  test.each(calls.filter(({ endpoint }) => endpoint.access !== "public"))(
    "$call is 401 without a credential",
    async ({ call, endpoint }) => {
      for (const ids of [idsOf(theirs), idsOfNothing()]) {
        const answer = await ask(call, endpoint, ids);
        expect([answer.status, problemOf(answer).code]).toEqual([401, "unauthenticated"]);
        expect(answer.headers.get("www-authenticate")).toBe("Bearer");
      }
    },
  );

  test("nothing of the other organization has changed", async () => {
    const { owner } = theirs;
    const org = { org_id: theirs.id };
    expect((await owner.api.organizations.get({ params: org })).data.name).not.toBe("Mine now");
    expect((await owner.api.members.list({ params: org })).data).toHaveLength(3);
    const { data: run } = await owner.api.runs.get({ params: { run_id: theirs.run.id } });
    // Its lease may have expired meanwhile, which is no change by the other organization.
    expect(["running", "lost"]).toContain(run.status);
    const { data: key } = await owner.api.apiKeys.get({ params: { key_id: theirs.key.id } });
    expect(key).toEqual(expect.objectContaining({ status: "active", name: "everything here" }));
    const { data: accounts } = await owner.api.serviceAccounts.list({ params: org });
    expect(accounts).toEqual([
      expect.objectContaining({ id: theirs.accountId, description: null, active_keys: 1 }),
    ]);
    const { data: invitations } = await owner.api.invitations.list({ params: org });
    expect(invitations).toEqual([
      expect.objectContaining({ id: theirs.invitation.id, status: "pending" }),
    ]);
    const agent = { agent_id: theirs.agent.id };
    const { data: workspace } = await owner.api.workspaces.get({ params: agent });
    expect(workspace.settings.auto_checkpoint).toBe(true);
    expect(workspace.counts).toEqual({ commits: 1, merges: 1, conflicts_resolved: 0 });
  });
});

/** Additional permissions that a call needs because of the fields in its example. */
const alsoNeeds: Record<string, string> = {
  "threads.reply": "project:task:write",
  "threads.update": "project:task:write",
  "upstreams.linkRepository": "org:forges:read",
  "pullRequests.merge": "agent:workspace:merge",
  "organizations.update": "org:write",
  "members.remove": "org:members:delete",
};
/** Calls about the person, not an organization: they require a key with full access. */
const ofThePerson = new Set([
  "auth.updateMe",
  "auth.sessions",
  "auth.session",
  "auth.endSession",
  "auth.endOtherSessions",
  "invitations.accept",
  "notifications.get",
  "notifications.set",
  "notifications.setForOrganization",
  "notifications.resetForOrganization",
  "notifications.getWebhook",
  "notifications.setWebhook",
  "notifications.deleteWebhook",
  "notifications.testWebhook",
  "notifications.deliveries",
  "organizations.create",
  "organizations.slugAvailability",
  "oidc.identities",
  "oidc.identity",
  "passkeys.list",
  "passkeys.get",
  "secondFactor.get",
]);
/** Calls about signing in: they require a session, whatever a key may do. */
const ofTheSession = new Set([
  "deviceLogin.get",
  "deviceLogin.approve",
  "deviceLogin.deny",
  "oidc.link",
  "oidc.unlink",
  "passkeys.rename",
  "passkeys.remove",
  "forgePeople.link",
  "githubApps.startLink",
  "forgePeople.unlink",
  "githubApps.manifest",
  "secondFactor.startTotp",
  "secondFactor.confirmTotp",
  "secondFactor.removeTotp",
  "secondFactor.renewRecoveryCodes",
]);
/** Calls that no service account makes, whatever its role and scopes. */
const onlyForPeople = new Set([
  "agentSessions.answer",
  "apiKeys.create",
  "apiKeys.get",
  "apiKeys.list",
  "apiKeys.narrow",
  "apiKeys.revoke",
  "apiKeys.rotate",
  "apiKeys.update",
  "apiKeys.usage",
  "auth.me",
  "environments.build",
  "environments.set",
  "forgePeople.accounts",
  "opinions.dismiss",
  "overview.dismiss",
  "overview.undismiss",
  "tasks.release",
]);
/** Calls that the run of a second opinion makes alone. */
const onlyForReviewers = new Set(["opinions.publish"]);
/** Finds the merge, then rejects its path, since the merge had no conflict. */
const withoutConflict = new Set([
  // The forge does not exist.
  "forges.create",
  "forges.repositories",
  "forgePeople.link",
  "pullRequests.refresh",
  "upstreams.linkRepository",
  "workspaces.restoreVersion",
  "reviews.file",
  "reviews.setViewed",
]);
/** Last, in this order: calls that end what the others need. */
const last = [
  "apiKeys.rotate",
  "apiKeys.revoke",
  "organizations.archive",
  "organizations.restore",
  "organizations.transfer",
  "auth.endSession",
  "auth.endOtherSessions",
  "auth.logout",
];

/**
 * Reads first, then changes, then deletions from the inside out, so that each call finds its
 * resource.
 */
const inOrder = calls
  .toReversed()
  .toSorted((one, other) => rankOf(one) - rankOf(other) || depthOf(other) - depthOf(one));
function rankOf({ call, endpoint }: (typeof calls)[number]): number {
  if (last.includes(call)) return 3 + last.indexOf(call);
  return endpoint.method === "GET" ? 0 : endpoint.method === "DELETE" ? 2 : 1;
}
function depthOf({ endpoint }: (typeof calls)[number]): number {
  return endpoint.method === "DELETE" ? endpoint.path.split("/").length : 0;
}

interface Walker {
  token: string;
  /** Whether role and credential grant a permission in the organization. */
  may: (permission: string) => boolean;
  isKey: boolean;
  isServiceAccount?: boolean;
  ids: Ids;
}

/** Compares the expected and actual result of each call; also returns calls that found nothing. */
async function walk(ask: Ask, { token, may, isKey, isServiceAccount = false, ids }: Walker) {
  const wrong: string[] = [];
  const lost: string[] = [];
  const walked: string[] = [];
  for (const { call, endpoint } of inOrder) {
    const { access, tenant, method, path } = endpoint;
    const isForAll = ["public", "signed-in", "super-admin"].includes(access);
    const { orHolding } = endpoint;
    const isOlder = orHolding !== null && may(orHolding);
    const declared = isForAll || isOlder ? [] : [access];
    const needed = [
      ...declared,
      ...(alsoNeeds[call] === undefined ? [] : [alsoNeeds[call]]),
      ...(isKey && ofThePerson.has(call) ? ["*:*"] : []),
    ].find((permission) => !may(permission));
    const expected =
      isKey && ofTheSession.has(call) && (isForAll || needed === undefined)
        ? "403 session_required"
        : needed !== undefined
          ? `refused ${needed}`
          : (isServiceAccount && onlyForPeople.has(call)) || onlyForReviewers.has(call)
            ? "refused as no person"
            : "let through";
    const answer = await ask(call, endpoint, ids, token);
    walked.push(`${method} ${path}`);
    const problem = answer.status === 403 ? problemOf(answer) : undefined;
    const isRefused = problem?.code === "insufficient_permission";
    const isKept = isRefused || problem?.code === "session_required";
    const found = isRefused
      ? `refused ${problem?.missing_permissions?.join() ?? "as no person"}`
      : problem || (answer.status === 401 && access !== "public")
        ? `${answer.status} ${problemOf(answer).code}`
        : "let through";
    if (found !== expected) wrong.push(`${call}: ${found}, not ${expected}`);
    const isExpected = answer.status === (withoutConflict.has(call) ? 422 : 409);
    if (!isKept && tenant !== null && answer.status >= 400 && !isExpected) {
      lost.push(`${call}: ${answer.status} ${answer.text}`);
    }
  }
  return { wrong, lost, walked };
}

/** A person with a role in a fresh organization that contains one of everything. */
async function enter(
  app: TestApp,
  role: SystemRole,
): Promise<{ person: TestPerson; ids: Ids; slug: string }> {
  const full = await fill(app, await app.person("creator"));
  const { api: creator } = full.owner;
  const params = { org_id: full.id };
  const join = async (role_id: string) => {
    const person = await app.person("person");
    const body = { user_id: person.id, role_id };
    return { person, member: (await creator.members.add({ params, body })).data };
  };
  // The executor role cannot be assigned to a person: use a custom role with the same patterns.
  const permissions = [...systemRoles[role].permissions];
  const body = { name: "executor", permissions };
  const roleId =
    role === "agent_executor"
      ? (await creator.roles.create({ params, body })).data.id
      : systemRoleIds[role];
  const { person } = await join(roleId);
  const colleague = await join(systemRoleIds.viewer);
  const heir = await join(systemRoleIds.viewer);
  await app.client().auth.login({ body: { email: person.email, password: person.password } });
  const { data: sessions } = await person.api.auth.sessions();
  const sessionId = sessions.find(({ current }) => !current)?.id as string;
  await insertSession(app, sessionId, full.agent.id);
  const { data: key } = await person.api.apiKeys.create({ body: { name: "own" } });
  const { project } = full;
  await creator.projects.update({
    params: { project_id: project.id },
    body: { max_model_tokens: 1 },
  });
  await queryAsOwner(
    app,
    "insert into model_spending values ($1, $2, date_trunc('month', now() at time zone 'UTC'), 1, 0)",
    [full.id, project.id],
  );
  const { data: items } = await creator.overview.attention({ params });
  await insertDraft(app, full.task.id, person.id);
  return {
    person,
    slug: full.slug,
    ids: {
      ...idsOf(full),
      member_id: colleague.member.id,
      user_id: heir.person.id,
      session_id: sessionId,
      request_id: sessionId,
      key_id: key.id,
      item_key: items.find(({ type }) => type === "budget")?.key as string,
    },
  };
}

describe("exactly the granted calls succeed", () => {
  let app: TestApp;
  let ask: Ask;
  beforeAll(async () => {
    app = await startTestApp();
    ask = askIn(app);
  });
  afterAll(() => app.close());

  test.each(Object.keys(systemRoles) as SystemRole[])(
    "for %s, on every call",
    async (role) => {
      const { person, ids } = await enter(app, role);
      const may = (permission: string): boolean =>
        grants(systemRoles[role].permissions, permission);
      const { wrong, lost, walked } = await walk(ask, {
        token: person.token,
        may,
        isKey: false,
        ids,
      });
      expect(wrong).toEqual([]);
      expect(lost).toEqual([]);
      const { text } = await send(app, "GET", "/api/v1/openapi.json");
      const { paths } = JSON.parse(text) as { paths: Record<string, Record<string, unknown>> };
      const documented = Object.entries(paths).flatMap(([path, methods]) =>
        Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
      );
      expect(walked.toSorted()).toEqual(documented.toSorted());
    },
    120_000,
  );

  test("for an owner's restricted key, on every call", async () => {
    const { person, ids, slug } = await enter(app, "owner");
    const scopes = [`org:${slug}:project:read`];
    const { data: key } = await person.api.apiKeys.create({ body: { name: "narrow", scopes } });
    const { data: child } = await app
      .client(key.key as string)
      .apiKeys.create({ body: { name: "narrow too", scopes } });
    const { wrong, lost } = await walk(ask, {
      token: key.key as string,
      may: (permission) => permission === "project:read",
      isKey: true,
      ids: { ...ids, key_id: child.id },
    });
    // A key cannot create a key with more rights, which is a different error.
    expect(wrong.toSorted()).toEqual([
      "apiKeys.create: 403 privilege_escalation, not let through",
      "apiKeys.narrow: 403 privilege_escalation, not let through",
    ]);
    expect(lost).toEqual([]);
  });

  test("a call without a declared access is not served", async () => {
    const undeclared = { ...api.roles.permissions, access: undefined } as unknown as Endpoint;
    const handlers = { open: async () => [] } as never;
    const serve = () => routesOf({ open: undeclared }, handlers)(fastify(), {} as RouteOptions);
    expect(serve).toThrow("/api/v1/permissions declares no access");
  });
});

// Registrations are limited, so that an application of its own makes the people.
describe("exactly the granted calls succeed", () => {
  let app: TestApp;
  let ask: Ask;
  beforeAll(async () => {
    app = await startTestApp();
    ask = askIn(app);
  });
  afterAll(() => app.close());

  test.each(["admin", "member", "viewer", "agent_executor"] as const)(
    "for the key of a service account as %s, on every call",
    async (role) => {
      const { person, ids, slug } = await enter(app, "owner");
      const params = { org_id: ids.org_id };
      const permissions = [...systemRoles[role].permissions];
      const { data: executor } = await person.api.roles.create({
        params,
        body: { name: "robot", permissions },
      });
      const role_id = role === "agent_executor" ? executor.id : systemRoleIds[role];
      const { data: account } = await person.api.serviceAccounts.create({
        params,
        body: { name: "walker", role_id },
      });
      const { data: key } = await person.api.serviceAccounts.createKey({
        params: { ...params, service_account_id: account.id },
        body: { name: "walker", scopes: [`org:${slug}:*`] },
      });
      await insertDraft(app, ids.task_id, account.id);
      const { wrong, lost } = await walk(ask, {
        token: key.key as string,
        // Its role does not matter.
        may: (permission) =>
          permission !== "project:protection:write" && grants(permissions, permission),
        isKey: true,
        isServiceAccount: true,
        ids,
      });
      expect(wrong).toEqual([]);
      expect(lost).toEqual([]);
    },
    120_000,
  );
});
