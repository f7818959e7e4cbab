/**
 * Goes on with a visit to a forge where the browser returns from it. Only the session that began it finishes it, once. A
 * step that a killed server has not finished is done when the browser asks again.
 */
import type { Logger } from "pino";
import type { ForgeKind } from "#shared/api/work/forges.js";
import type { ForgeOutcome } from "#shared/work/forge-outcomes.js";
import { authorizedWrites } from "../../../../access/current-access.js";
import type { Actor } from "../../../../access/authenticate.js";
import { encrypt, decrypt, purposes } from "../../../../encrypt.js";
import { AppError, notFound } from "../../../../errors.js";
import type { PublicContext } from "../../../../http/requests/request-context.js";
import { insertConnection, tryCredential } from "../connections.js";
import { ForgeError } from "../forge.js";
import * as forges from "../forges.queries.js";
import { linkLogin } from "../link-people.js";
import type { ForgeCredential } from "../open-forge.js";
import { loginByCode } from "../people/oauth.js";
import { decryptCredential } from "../use-forge.js";
import { APP_MS, consentUrl, type VisitDeps } from "./begin-visit.js";
import { convertManifest, exchangeCode, seesInstallation, type MadeApp } from "./github-calls.js";
import * as handshakes from "./handshakes.queries.js";
import type { Handshake } from "./handshakes.queries.js";

export interface ReturnDeps extends VisitDeps {
  log: Logger;
}

/** What GitHub adds to the address. */
export interface Return {
  state?: string | undefined;
  code?: string | undefined;
  installation_id?: string | undefined;
  setup_action?: string | undefined;
  error?: string | undefined;
}

interface Visit {
  row: Handshake;
  state: string;
  actor: Actor;
  context: PublicContext;
}

/** A person is sent to GitHub's consent page so often for one visit. */
const MAX_TRIES = 3;

/** Returns where the browser goes on. */
export async function returnFromGithub(
  deps: ReturnDeps,
  context: PublicContext,
  actor: Actor | null,
  given: Return,
): Promise<string> {
  const { db, log } = deps;
  const { state } = given;
  const key = handshakes.keyOf(state ?? "");
  const found = await db.withSystem("find what a person has begun on GitHub", (tx) =>
    handshakes.findHandshake(tx, key),
  );
  const isTheirs =
    found !== undefined &&
    actor?.userId === found.user_id &&
    actor.session?.id === found.session_id;
  if (state === undefined || !isTheirs) return `/settings/profile?forge=expired`;
  const back = backTo(found);
  try {
    return await db.locks(found.org_id, [`forge handshake ${key}`], async () => {
      const row = await db.tenant(found.org_id, (tx) => handshakes.findHandshake(tx, key));
      if (!row) return back("expired");
      return goOn(deps, { row, state, actor, context }, given, back);
    });
  } catch (error) {
    if (!(error instanceof ForgeError) && !(error instanceof AppError)) throw error;
    log.warn({ err: error, org_id: found.org_id }, "a visit to a forge failed");
    const code = error instanceof AppError ? error.code : null;
    if (code === "too_many_forges") return back("too_many");
    return back(code === "insufficient_permission" || code === "not_found" ? "refused" : "failed");
  }
}

const backTo =
  ({ org_id, step }: Pick<Handshake, "org_id" | "step">) =>
  (outcome: ForgeOutcome): string =>
    step === "link"
      ? `/settings/profile?forge=${outcome}`
      : `/organizations/${org_id}/settings?tab=forges&forge=${outcome}`;

async function goOn(
  deps: ReturnDeps,
  visit: Visit,
  given: Return,
  back: (outcome: ForgeOutcome) => string,
): Promise<string> {
  const { row, state } = visit;
  if (given.error !== undefined) return back("denied");
  if (row.step === "link") return linkByCode(deps, visit, given.code, back);
  const { code, installation_id: named } = given;
  if (row.step === "manifest" || row.sealed === null) {
    if (code === undefined) return back("failed");
    const app = await convertManifest(deps.clients.opener, row.api_url, code);
    const sealed = encrypt(
      deps.secret,
      purposes.forgeCredential,
      row.forge_id,
      Buffer.from(JSON.stringify(app)),
    );
    const expires_at = new Date(Date.now() + APP_MS).toISOString();
    await deps.db.tenant(row.org_id, (tx) =>
      handshakes.updateHandshake(tx, row.id, { step: "install", sealed, expires_at }),
    );
    return installationPage(row.url, app, state);
  }
  const app = openApp(deps.secret, row);
  if (app === null) return back("failed");
  const installationId =
    named !== undefined && /^\d{1,19}$/.test(named) ? named : row.installation_id;
  if (installationId === null) {
    if (given.setup_action === "request") return back("requested");
    // The first return again, because its answer was lost.
    return installationPage(row.url, app, state);
  }
  return connect(deps, visit, { app, installationId, code }, back);
}

/** Completes the connection once GitHub confirms that the person may see the installation. */
async function connect(
  deps: ReturnDeps,
  visit: Visit,
  { app, installationId, code }: { app: MadeApp; installationId: string; code: string | undefined },
  back: (outcome: ForgeOutcome) => string,
): Promise<string> {
  const { row, state, actor } = visit;
  const { opener } = deps.clients;
  const token = code === undefined ? null : await tokenOf(deps, row.url, app, code);
  if (token === null) {
    // Without a code that counts, as after a restart, GitHub gives another one without a question.
    if (row.tries >= MAX_TRIES) return back("failed");
    await deps.db.tenant(row.org_id, (tx) =>
      handshakes.updateHandshake(tx, row.id, {
        installation_id: installationId,
        tries: row.tries + 1,
      }),
    );
    return consentUrl(row.url, app.client_id, state, deps.publicUrl());
  }
  if (!(await seesInstallation(opener, row.api_url, token, installationId))) {
    await deps.db.tenant(row.org_id, (tx) =>
      handshakes.updateHandshake(tx, row.id, { installation_id: null }),
    );
    return back("not_yours");
  }
  const place = { id: row.forge_id, kind: "github" as const, api_url: row.api_url };
  const { page: _, ...client } = app;
  const credential = { kind: "app" as const, ...client, installation_id: installationId };
  const account = await tryCredential(deps, place, credential);
  const login = await (await opener.open(place, { kind: "token", token })).account();
  await changeOf(deps, visit, "org:forges:write").change(async (tx, audit) => {
    if (!(await handshakes.deleteHandshake(tx, row.id))) throw notFound();
    const bot_name = new URL(app.page).pathname.split("/").at(-1) ?? null;
    const connection = { ...place, url: row.url, name: new URL(row.url).host, account, bot_name };
    await insertConnection(deps, tx, audit, row.org_id, connection, credential, null);
    await linkLogin(tx, audit, { orgId: row.org_id, actor }, row.forge_id, login);
  });
  return back("connected");
}

async function linkByCode(
  deps: ReturnDeps,
  visit: Visit,
  code: string | undefined,
  back: (outcome: ForgeOutcome) => string,
): Promise<string> {
  const { row, actor } = visit;
  const forge = await deps.db.tenant(row.org_id, (tx) => forges.findForgeRow(tx, row.forge_id));
  const credential = forge && decryptCredential(deps.secret, forge);
  if (code === undefined || !credential) return back("failed");
  const login = await loginOf(deps, row, forge.kind, credential, code);
  if (login === null) return back("failed");
  await changeOf(deps, visit, "org:read").change(async (tx, audit) => {
    if (!(await handshakes.deleteHandshake(tx, row.id))) throw notFound();
    await linkLogin(tx, audit, { orgId: row.org_id, actor }, row.forge_id, login);
  });
  return back("linked");
}

/** Returns whose code it is; null for a connection that has lost its client. @throws ForgeError */
async function loginOf(
  { clients: { opener }, secret, publicUrl }: ReturnDeps,
  { forge_id, url, api_url, sealed }: Handshake,
  kind: ForgeKind,
  credential: ForgeCredential,
  code: string,
): Promise<string | null> {
  if (credential.kind === "app") {
    const { client_id = "", client_secret = "" } = credential;
    const token = await exchangeCode(opener, url, { client_id, client_secret }, code);
    const place = { id: forge_id, kind: "github" as const, api_url };
    return (await opener.open(place, { kind: "token", token })).account();
  }
  const opened = sealed && decrypt(secret, purposes.forgeCredential, forge_id, sealed);
  if (kind === "github" || credential.oauth === undefined || opened === null) return null;
  const verifier = opened.toString();
  const given = { code, verifier, publicUrl: publicUrl() };
  return loginByCode(opener, { kind, url, api_url }, credential.oauth, given);
}

/** Returns a token of the person; null for a code that was used before. @throws ForgeError */
async function tokenOf(
  { clients }: Pick<ReturnDeps, "clients">,
  url: string,
  app: MadeApp,
  code: string,
): Promise<string | null> {
  const { client_id, client_secret } = app;
  try {
    return await exchangeCode(clients.opener, url, { client_id, client_secret }, code);
  } catch (error) {
    if (error instanceof ForgeError && error.failure === "refused") return null;
    throw error;
  }
}

/** Changes of the visit's organization, by the permissions that its person has now. */
function changeOf(
  { db }: Pick<ReturnDeps, "db">,
  { row, actor, context }: Visit,
  permission: "org:forges:write" | "org:read",
) {
  const { requestId, ip } = context;
  return authorizedWrites(db, {
    requestId,
    ip,
    actor,
    orgId: row.org_id,
    permission,
    whenArchived: false,
    absent: notFound,
  });
}

function openApp(secret: string, { forge_id, sealed }: Handshake): MadeApp | null {
  const opened = sealed && decrypt(secret, purposes.forgeCredential, forge_id, sealed);
  return opened && (JSON.parse(opened.toString()) as MadeApp);
}

/** Returns the page on which a person installs the App. */
function installationPage(url: string, { page }: MadeApp, state: string): string {
  const isTheirs = URL.canParse(page) && new URL(page).origin === new URL(url).origin;
  if (!isTheirs) throw new ForgeError("refused", "GitHub names another host for the App's page.");
  return `${page.replace(/\/+$/, "")}/installations/new?state=${state}`;
}
