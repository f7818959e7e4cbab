/** Access to a project's upstream at the time of a connection. */
import { AppError } from "../../../../errors.js";
import type { UpstreamOptions } from "#git/upstream/upstream-connection.js";
import { UpstreamError } from "#git/upstream/upstream-error.js";
import { checkImportUrl, checkRepositoryUrl } from "../import-url.js";
import type { ProjectDeps } from "../project.js";
import { decryptCredential } from "./upstream-credential.js";
import * as upstreams from "./upstreams.queries.js";

/** The settings that git needs to reach upstreams. */
export type UpstreamAccessDeps = Pick<ProjectDeps, "db" | "rules" | "secret" | "forges">;

/**
 * Resolves the URL again and decrypts the credential, or gets one from the forge of a linked repository. The first host key is stored and required from
 * then on.
 * @throws AppError 422 when the URL is no longer allowed
 */
export async function accessUpstream(
  deps: UpstreamAccessDeps,
  { org_id: orgId, project_id: id, url }: { org_id: string; project_id: string; url: string },
): Promise<UpstreamOptions> {
  const { importCaFile: caFile, maxImportBytes: maxBytes } = deps.rules;
  const row = await deps.db.tenant(orgId, (tx) => upstreams.findAccess(tx, id));
  const repository = row?.repository ?? null;
  if (repository !== null) {
    const source = await checkRepositoryUrl(url, deps.rules);
    return { ...source, login: await deps.forges.gitLogin(orgId, repository), caFile, maxBytes };
  }
  const source = await checkImportUrl(url, deps.rules);
  const hostKey = row?.host_key ?? null;
  return {
    ...source,
    login: decryptCredential(deps.secret, id, row?.sealed ?? null),
    hostKey,
    onHostKey: async (line) => {
      if (line === hostKey) return;
      await deps.db.tenant(orgId, (tx) => upstreams.updateUpstream(tx, id, { host_key: line }));
    },
    caFile,
    maxBytes,
  };
}

/** Writes progress in percent, serialized. */
export function progressWriter(write: (percent: number) => Promise<void>) {
  let writing: Promise<void> = Promise.resolve();
  return {
    onProgress: (percent: number): void => {
      writing = writing.then(() => write(Math.min(percent, 99))).catch(() => {});
    },
    /** Resolves when the last write is complete. */
    written: (): Promise<void> => writing,
  };
}

/** Returns the message shown to users for a failure; unexpected errors are logged. */
export function describeFailure(
  deps: ProjectDeps,
  id: string,
  what: string,
  error: unknown,
): string {
  // A field name would be meaningless to later readers.
  if (error instanceof AppError) return error.message.replace(/^import_url: /, "The URL ");
  if (error instanceof UpstreamError) return error.message;
  deps.log.error({ err: error, project: id }, `${what} failed`);
  return `The ${what} failed; the operator can find the cause in the server's log.`;
}
