/** Every call of the API with ids of an organization that has one of everything. */
import { randomBytes, randomUUID } from "node:crypto";
import { urlOf } from "#shared/contract/client.js";
import type { Endpoint } from "#shared/contract/endpoint.js";
import { api } from "#shared/api/index.js";
import { systemRoleIds } from "#server/db/migrate.js";
import type { TestApp, TestPerson } from "../server/app.js";
import { type RawResponse, send } from "../http/raw-request.js";
import { insertAutomation } from "../database/insert-automation.js";
import { insertForge } from "../database/insert-forge.js";
import { insertDelivery } from "../database/insert-forge-events.js";
import { insertAttempt } from "../database/insert-attempt.js";
import { insertOpinion } from "../database/insert-opinion.js";
import { insertReview } from "../database/insert-review.js";
import { insertSession } from "../database/insert-session.js";
import { insertNotifications } from "../database/insert-notification.js";
import { makeServiceAccount } from "../fixtures/service-accounts.js";
import { insertRunner } from "../runners/runners.js";
import { insertWebhook } from "../database/insert-webhook.js";
import { queryAsOwner } from "../database/queries.js";
import { makeFullOrganization, type FullOrganization } from "../fixtures/full-organization.js";

/** Values for paths and bodies: ids of an organization, or of nothing. */
export type Ids = Record<
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
export type Full = FullOrganization & {
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

export async function fill(app: TestApp, owner: TestPerson): Promise<Full> {
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

export const idsOf = (full: Full): Ids => ({
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
export const idsOfNothing = (): Ids => ({
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
export const bodies: Record<string, (ids: Ids) => unknown> = {
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

export const calls = Object.entries(api).flatMap(([resource, endpoints]) =>
  Object.entries(endpoints as Record<string, Endpoint>).map(([name, endpoint]) => ({
    call: `${resource}.${name}`,
    endpoint,
  })),
);
export const ofOthers = calls.filter(
  ({ call, endpoint }) =>
    endpoint.access !== "public" &&
    (endpoint.params !== null ||
      ["projects.create", "agents.create", "apiKeys.create"].includes(call)),
);
/** The ids in a path besides the one that identifies the tenant; months and names have no owner. */
export const innerOf = ({ params, tenant }: Endpoint): string[] =>
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
export const withInner = ofOthers.filter(
  ({ call, endpoint }) =>
    endpoint.tenant !== null && (innerOf(endpoint).length > 0 || namingInBody.has(call)),
);

export type Ask = (
  call: string,
  endpoint: Endpoint,
  path: Ids,
  token?: string,
  inBody?: Ids,
) => Promise<RawResponse>;
export const askIn =
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
