import { randomBytes } from "node:crypto";
import type {
  Forge,
  ForgeChanges,
  ForgeRepository,
  ForgeWithWebhook,
  NewForge,
} from "#shared/api/work/forges.js";
import { diffFields, type AuditWriter } from "../../../db/audit/audit.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { newId } from "../../../db/tables/columns.js";
import { AppError, invalidField, notFound } from "../../../errors.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import * as queries from "./forges.queries.js";
import type { ForgeRow } from "./forges.queries.js";
import { API_PATHS, apiUrlOf, type ForgeCredential } from "./open-forge.js";
import type { OauthClient } from "./github/credential.js";
import {
  decryptCredential,
  encryptCredential,
  withForgeErrors,
  type ForgeDeps,
} from "./use-forge.js";
import { defaultDelivery, hookUrl, sealWebhookSecret } from "./webhook-secret.js";

export interface ConnectionDeps extends ForgeDeps {
  /** Whether forges may have private addresses and unencrypted connections. */
  forgePrivateHosts: boolean;
  publicUrl: () => string;
}

const MAX_FORGES = 20;

const targetOf = ({ id, name }: Pick<Forge, "id" | "name">) =>
  ({ type: "forge", id, name }) as const;

/**
 * Connects a forge. The credential is tried there first.
 * @throws AppError 409 `too_many_forges`; 422 `forge_unreachable`, `forge_unauthorized`, `forge_refused` and others
 */
export async function createForge(
  deps: ConnectionDeps,
  context: OrgContext,
  { kind, url: givenUrl, api_url: givenApiUrl, name, delivery, oauth, ...given }: NewForge,
): Promise<ForgeWithWebhook> {
  const url = checkForgeUrl("url", givenUrl, deps.forgePrivateHosts);
  const apiUrl =
    givenApiUrl === undefined
      ? apiUrlOf(kind, url)
      : checkForgeUrl("api_url", givenApiUrl, deps.forgePrivateHosts);
  const end = API_PATHS[kind];
  if (end !== undefined && !apiUrl.endsWith(end)) {
    throw invalidField("api_url", `must end with ${end}`);
  }
  const signIn = credentialOf(kind, given);
  if (signIn === undefined) throw invalidField("token", "is needed, or an App");
  const credential = withOauth(kind, signIn, oauth);
  const id = newId();
  const place = { id, kind, api_url: apiUrl };
  const account = await tryCredential(deps, place, credential);
  const own = given.app === undefined ? newSecret() : null;
  const row = { ...place, url, name: name ?? new URL(url).host, account, delivery };
  const created = await context.change((tx, audit) =>
    insertConnection(deps, tx, audit, context.orgId, row, credential, own),
  );
  return withWebhook(deps, created, own);
}

/**
 * Stores a connection whose credential was tried, within a change.
 * @param hookSecret the secret of its hooks; null for an App, which has its own
 * @throws AppError 409 `too_many_forges`
 */
export async function insertConnection(
  { secret, publicUrl }: Pick<ConnectionDeps, "secret" | "publicUrl">,
  tx: Queryable,
  audit: AuditWriter,
  orgId: string,
  { delivery, ...row }: NewConnection,
  credential: ForgeCredential,
  hookSecret: string | null,
): Promise<Forge> {
  await requireRoom(tx);
  const ofHooks = hookSecret ?? hookSecretOf(credential);
  await queries.insertForge(tx, {
    ...row,
    org_id: orgId,
    ...shownPartOf(credential),
    sealed: encryptCredential(secret, row.id, credential),
    sealed_webhook_secret: ofHooks === null ? null : sealWebhookSecret(secret, row.id, ofHooks),
    delivery: delivery ?? defaultDelivery(publicUrl(), ofHooks === null),
  });
  const created = await readForge(tx, row.id);
  const fields = ["kind", "url", "auth", "account", "delivery"] as const;
  audit({
    action: "forge.created",
    target: targetOf(created),
    changes: diffFields(null, created, fields),
  });
  return created;
}

type NewConnection = Pick<ForgeRow, "id" | "kind" | "url" | "api_url" | "name" | "account"> & {
  delivery?: Forge["delivery"] | undefined;
  /** The name of an App, which mentions have. */
  bot_name?: string | null;
};

const hookSecretOf = (credential: ForgeCredential): string | null =>
  credential.kind === "app" ? (credential.webhook_secret ?? null) : null;

const newSecret = (): string => randomBytes(32).toString("base64url");

/** Adds what a person needs to add a hook, if events come by hooks that this connection does not bring along. */
function withWebhook(
  { publicUrl }: Pick<ConnectionDeps, "publicUrl">,
  forge: Forge,
  secret: string | null,
): ForgeWithWebhook {
  const isShown = secret !== null && forge.delivery === "webhook";
  return { ...forge, webhook: isShown ? { url: hookUrl(publicUrl(), forge.id), secret } : null };
}

/**
 * Replaces the secret of a connection's hooks, which are registered again.
 * @throws AppError 404; 409 `forge_app_secret`
 */
export async function rotateWebhookSecret(
  deps: ConnectionDeps,
  context: OrgContext,
  id: string,
): Promise<ForgeWithWebhook> {
  const secret = newSecret();
  const forge = await context.change(async (tx, audit) => {
    const known = await readForge(tx, id);
    if (known.auth === "app") {
      throw new AppError(
        "forge_app_secret",
        "The App has its own webhook secret; change it on the forge, and set it here with the App.",
      );
    }
    await queries.updateForge(tx, id, {
      sealed_webhook_secret: sealWebhookSecret(deps.secret, id, secret),
    });
    await queries.forgetHooks(tx, id);
    const changes = { webhook_secret: { from: null, to: "replaced" } };
    audit({ action: "forge.updated", target: targetOf(known), changes });
    return readForge(tx, id);
  });
  return withWebhook(deps, forge, secret);
}

/** @throws AppError 409 `too_many_forges` */
export async function requireRoom(tx: Queryable): Promise<void> {
  if ((await queries.countForges(tx)) < MAX_FORGES) return;
  throw new AppError(
    "too_many_forges",
    `An organization has at most ${MAX_FORGES} connections to forges; delete one first.`,
  );
}

/** Renames a connection, or replaces its credential. @throws AppError 404; 422 */
export async function updateForge(
  deps: ConnectionDeps,
  context: OrgContext,
  id: string,
  { name, delivery, token, app, oauth }: ForgeChanges,
): Promise<Forge> {
  const known = await context.tx((tx) => readForge(tx, id));
  const signIn = credentialOf(known.kind, { token, app });
  const account = signIn && (await tryCredential(deps, known, signIn));
  return context.change(async (tx, audit) => {
    const before = await readForge(tx, id);
    if ([name, delivery, signIn, oauth].every((value) => value === undefined)) return before;
    const credential =
      signIn === undefined && oauth === undefined
        ? undefined
        : await nextCredential(deps, tx, before, signIn, oauth);
    await queries.updateForge(tx, id, {
      ...(name !== undefined && { name }),
      ...(delivery !== undefined && { delivery }),
      ...(app?.webhook_secret !== undefined && {
        sealed_webhook_secret: sealWebhookSecret(deps.secret, id, app.webhook_secret),
      }),
      ...(credential !== undefined && {
        ...shownPartOf(credential),
        sealed: encryptCredential(deps.secret, id, credential),
      }),
      ...(signIn !== undefined && {
        account: account ?? before.account,
        status: "ok" as const,
        status_reason: null,
        retry_at: null,
        bot_name: null,
      }),
    });
    // Hooks that could not be registered are tried again.
    if (delivery !== undefined || signIn !== undefined) await queries.forgetHookErrors(tx, id);
    const after = await readForge(tx, id);
    const changes = diffFields(before, after, [
      "name",
      "auth",
      "app_id",
      "installation_id",
      "account",
      "oauth_client_id",
      "delivery",
    ]);
    if (signIn !== undefined) changes["credential"] = { from: null, to: "replaced" };
    if (Object.keys(changes).length > 0) {
      audit({ action: "forge.updated", target: targetOf(after), changes });
    }
    return after;
  });
}

/** @throws AppError 404; 409 `forge_in_use` */
export async function deleteForge(context: OrgContext, id: string, unlink: boolean): Promise<void> {
  await context.change(async (tx, audit) => {
    const forge = await readForge(tx, id);
    if (forge.projects > 0 && !unlink) {
      throw new AppError(
        "forge_in_use",
        `Projects are linked to its repositories: ${forge.projects}. Link them elsewhere, or unlink them.`,
      );
    }
    await queries.deleteForge(tx, id);
    audit({ action: "forge.deleted", target: targetOf(forge) });
  });
}

/** Lists the repositories that a credential reaches, by name. @throws AppError 404; 422 */
export async function listRepositories(
  { clients }: ForgeDeps,
  context: OrgContext,
  id: string,
  query: string,
): Promise<ForgeRepository[]> {
  const found = await withForgeErrors(() =>
    clients.use(context.orgId, id, (forge) => forge.repositories(query)),
  );
  const byName = new Map(found.map((repository) => [repository.name, repository]));
  return [...byName.values()].toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

/** @throws AppError 404 */
export async function readForge(tx: Queryable, id: string): Promise<Forge> {
  const found = await queries.findForge(tx, id);
  if (!found) throw notFound();
  return found;
}

/** Signs in once. @throws AppError 422 */
export function tryCredential(
  { clients }: Pick<ForgeDeps, "clients">,
  place: Pick<Forge, "id" | "kind" | "api_url">,
  credential: ForgeCredential,
): Promise<string> {
  return withForgeErrors(async () => (await clients.opener.open(place, credential)).account());
}

/** @throws AppError 422 for an App and a token at once, and for an App of another forge than GitHub */
function credentialOf(
  kind: Forge["kind"],
  { token, app }: Pick<NewForge, "token" | "app">,
): ForgeCredential | undefined {
  if (token !== undefined && app !== undefined) throw invalidField("token", "or an App, not both");
  if (token !== undefined) return { kind: "token", token };
  if (app !== undefined && kind !== "github") {
    throw invalidField("app", "exists on GitHub only; use a token");
  }
  if (app === undefined) return undefined;
  return { kind: "app", ...app };
}

/**
 * Adds the OAuth client of a connection by token.
 * @throws AppError 422 for GitHub, whose members link their accounts by an App
 */
function withOauth(
  kind: Forge["kind"],
  credential: ForgeCredential,
  oauth: OauthClient | null | undefined,
): ForgeCredential {
  if (oauth == null) return credential;
  if (kind === "github" || credential.kind === "app") {
    throw invalidField("oauth", "is for GitLab and Gitea; connect GitHub by an App in the browser");
  }
  return { ...credential, oauth };
}

/** Returns what a connection signs in with after a change; the OAuth client stays unless it is given. */
async function nextCredential(
  { secret }: Pick<ConnectionDeps, "secret">,
  tx: Queryable,
  { id, kind }: Forge,
  signIn: ForgeCredential | undefined,
  oauth: OauthClient | null | undefined,
): Promise<ForgeCredential> {
  const row = await queries.findForgeRow(tx, id);
  if (!row) throw notFound();
  const { oauth: known, ...stored } = { oauth: undefined, ...decryptCredential(secret, row) };
  return withOauth(kind, signIn ?? stored, oauth === undefined ? known : oauth);
}

function shownPartOf(credential: ForgeCredential) {
  const app = credential.kind === "app" ? credential : null;
  const oauth = credential.kind === "token" ? credential.oauth : undefined;
  return {
    auth: credential.kind,
    app_id: app?.app_id ?? null,
    installation_id: app?.installation_id ?? null,
    client_id: app?.client_id ?? oauth?.client_id ?? null,
  };
}

/** Returns an address without a slash at its end. @throws AppError 422 */
export function checkForgeUrl(field: string, text: string, allowsPrivate: boolean): string {
  if (!URL.canParse(text) || /[\u0000-\u0020\u007f]/.test(text)) {
    throw invalidField(field, "must be an address such as https://gitlab.example.com");
  }
  const url = new URL(text);
  if (url.protocol !== "https:" && !(allowsPrivate && url.protocol === "http:")) {
    throw invalidField(
      field,
      "must begin with https://; the operator can allow http:// with OMOI_FORGE_PRIVATE_HOSTS",
    );
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw invalidField(field, "must have a host and a path alone");
  }
  return url.href.replace(/\/+$/, "");
}
