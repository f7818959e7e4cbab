/** Compares what roles and credentials grant with the answer of every call. */
import { expect } from "vitest";
import { grants, systemRoles, type SystemRole } from "#shared/permissions.js";
import { systemRoleIds } from "#server/db/migrate.js";
import type { TestApp, TestPerson } from "../server/app.js";
import { problemOf, send } from "../http/raw-request.js";
import { insertDraft } from "../database/insert-review.js";
import { insertSession } from "../database/insert-session.js";
import { queryAsOwner } from "../database/queries.js";
import { type Ids, fill, idsOf, calls, type Ask, askIn } from "./every-call.js";

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
export async function walk(ask: Ask, { token, may, isKey, isServiceAccount = false, ids }: Walker) {
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
export async function enter(
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

/** The role that the gate walks as; a walk takes ten to twenty seconds. */
export const gateRole: SystemRole = "member";

/** Expects that a person of a role can make exactly the calls that the role grants, and that every call was tried. */
export async function expectGrantedCalls(app: TestApp, role: SystemRole): Promise<void> {
  const { person, ids } = await enter(app, role);
  const may = (permission: string): boolean => grants(systemRoles[role].permissions, permission);
  const asked = { token: person.token, may, isKey: false, ids };
  const { wrong, lost, walked } = await walk(askIn(app), asked);
  expect(wrong).toEqual([]);
  expect(lost).toEqual([]);
  const { text } = await send(app, "GET", "/api/v1/openapi.json");
  const { paths } = JSON.parse(text) as { paths: Record<string, Record<string, unknown>> };
  const documented = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(walked.toSorted()).toEqual(documented.toSorted());
}
