/** Credentials of private upstreams: write-only, shown in part, decrypted for git only. */
import type { CredentialInput, Project } from "#shared/api/code/projects.js";
import { AppError, invalidField, notFound } from "../../../../errors.js";
import {
  fingerprintOf,
  generateSshKey,
  readHostKey,
  readPrivateKey,
} from "#git/upstream/ssh-key.js";
import type { UpstreamLogin } from "#git/upstream/upstream-connection.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";
import { purposes, encrypt, decrypt } from "../../../../encrypt.js";
import { readProject, requireUpstream, type ProjectDeps } from "../project.js";
import * as upstreams from "./upstreams.queries.js";
import type { StoredCredential } from "./upstreams.queries.js";

/**
 * Validates a credential and returns its stored form: the secret encrypted for this project, and the
 * visible parts.
 * @throws AppError 422 when it does not match the URL or is not a key
 */
export function encryptCredential(
  secret: string,
  project: { id: string; name: string; importUrl: string | null },
  input: CredentialInput,
  setBy: string,
): StoredCredential {
  const { kind, ...shown } = readCredential(project, input);
  const { login, ...rest } = shown;
  const sealed = encrypt(
    secret,
    purposes.upstreamCredential,
    project.id,
    Buffer.from(JSON.stringify(login)),
  );
  return { kind, ...rest, sealed, set_by: setBy };
}

type ReadCredential = Omit<StoredCredential, "sealed" | "set_by"> & { login: UpstreamLogin };

function readCredential(
  { importUrl, name }: { importUrl: string | null; name: string },
  input: CredentialInput,
): ReadCredential {
  const { kind } = input;
  const wanted = importUrl?.startsWith("ssh:") ? "ssh_key" : "https_token";
  if (importUrl === null || importUrl.startsWith("file:")) {
    throw invalidField("credential", "requires an import_url that starts with https:// or ssh://");
  }
  if (kind !== wanted) {
    throw invalidField("credential", `must have the kind ${wanted} for this URL`);
  }
  const nothing = { username: null, hint: null, public_key: null, fingerprint: null };
  if (input.kind === "https_token") {
    const { username = "git", token } = input;
    const hint = token.length >= 20 ? `…${token.slice(-4)}` : null;
    return { ...nothing, kind, username, hint, login: { kind: "https_token", username, token } };
  }
  const comment = `omoi ${name.replaceAll(/[^\x21-\x7e]+/g, "-").slice(0, 60)}`;
  const pair =
    input.private_key === undefined ? generateSshKey(comment) : readPrivateKey(input.private_key);
  if (typeof pair === "string") throw invalidField("credential", `private_key ${pair}`);
  const { privateKey, publicKey, fingerprint } = pair;
  const login = { kind: "ssh_key", private_key: privateKey } as const;
  return { ...nothing, kind, public_key: publicKey, fingerprint, login };
}

/**
 * Decrypts a credential for git; null if none is stored.
 * @throws AppError when it cannot be decrypted
 */
export function decryptCredential(
  secret: string,
  projectId: string,
  sealed: Buffer | null,
): UpstreamLogin | null {
  if (sealed === null) return null;
  const opened = decrypt(secret, purposes.upstreamCredential, projectId, sealed);
  if (opened === null) {
    throw new AppError(
      "unavailable",
      "The credential was encrypted with another OMOI_SECRET; set it again.",
    );
  }
  return JSON.parse(opened.toString()) as UpstreamLogin;
}

/** @throws AppError 422 */
export function parseHostKey(text: string, importUrl: string | null): string {
  if (!importUrl?.startsWith("ssh:")) {
    throw invalidField("host_key", "requires an import_url that starts with ssh://");
  }
  const key = readHostKey(text);
  if (key === null) {
    throw invalidField("host_key", "must be SHA256:… or a line printed by ssh-keyscan");
  }
  return key;
}

/** @throws AppError 404; 409 `no_upstream`; 422 */
export async function setCredential(
  deps: ProjectDeps,
  context: OrgContext,
  id: string,
  input: CredentialInput,
): Promise<Project> {
  await context.change(async (tx, audit) => {
    const { name, import_url: importUrl, upstream } = await requireUpstream(tx, id);
    if (upstream?.repository != null) {
      throw new AppError(
        "repository_linked",
        "The project signs in by its connection to the forge; change the credential there.",
      );
    }
    const setBy = context.actor.userId;
    const credential = encryptCredential(deps.secret, { id, name, importUrl }, input, setBy);
    await upstreams.putCredential(tx, { project_id: id, org_id: context.orgId }, credential);
    audit({
      action: "project.credential_set",
      target: { type: "project", id, name },
      changes: credentialChanges(credential),
    });
  });
  return readProject(deps, context, id);
}

/** Returns the audit log's view of a credential. */
export function credentialChanges({ kind, username, fingerprint }: StoredCredential) {
  const seen = { kind, username, fingerprint };
  return Object.fromEntries(
    Object.entries(seen).flatMap(([field, to]) =>
      to == null ? [] : [[field, { from: null, to }]],
    ),
  );
}

/** @throws AppError 404 when the project has none */
export async function removeCredential(context: OrgContext, id: string): Promise<void> {
  await context.change(async (tx, audit) => {
    const { name } = await requireUpstream(tx, id);
    if (!(await upstreams.deleteCredential(tx, id))) throw notFound();
    audit({ action: "project.credential_removed", target: { type: "project", id, name } });
  });
}

/**
 * Pins the expected host key; null trusts the next one.
 * @throws AppError 404; 409; 422
 */
export async function trustHostKey(
  deps: ProjectDeps,
  context: OrgContext,
  id: string,
  given: string | null,
): Promise<Project> {
  await context.change(async (tx, audit) => {
    const { name, import_url: importUrl, upstream } = await requireUpstream(tx, id);
    const key = given === null ? null : parseHostKey(given, importUrl);
    await upstreams.updateUpstream(tx, id, { host_key: key });
    const from = upstream?.host_key == null ? null : fingerprintOf(upstream.host_key);
    const to = key === null ? null : fingerprintOf(key);
    audit({
      action: "project.host_key_changed",
      target: { type: "project", id, name },
      changes: from === to ? {} : { host_key: { from, to } },
    });
  });
  return readProject(deps, context, id);
}
