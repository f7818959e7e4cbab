/** How the server reaches a project's upstream, at the moment it does. */
import { AppError } from "../../../errors.js";
import type { UpstreamOptions } from "#git/upstream/upstream-connection.js";
import { UpstreamError } from "#git/upstream/upstream-error.js";
import { checkImportUrl } from "../imports/import-url.js";
import type { ProjectDeps } from "../project.js";
import { openCredential } from "./upstream-credential.js";
import * as upstreams from "./upstreams.queries.js";

/**
 * Resolves the address anew and opens the credential. The first host key that is seen is kept, to be
 * the only one from then on.
 * @throws AppError 422 where the address is not allowed any more
 */
export async function accessUpstream(
  deps: ProjectDeps,
  { org_id: orgId, project_id: id, url }: { org_id: string; project_id: string; url: string },
): Promise<UpstreamOptions> {
  const { importCaFile: caFile, maxImportBytes: maxBytes } = deps.rules;
  const source = await checkImportUrl(url, deps.rules);
  const row = await deps.db.tenant(orgId, (tx) => upstreams.findAccess(tx, id));
  const hostKey = row?.host_key ?? null;
  return {
    ...source,
    login: openCredential(deps.secret, id, row?.sealed ?? null),
    hostKey,
    onHostKey: async (line) => {
      if (line === hostKey) return;
      await deps.db.tenant(orgId, (tx) => upstreams.updateUpstream(tx, id, { host_key: line }));
    },
    caFile,
    maxBytes,
  };
}

/** Writes a percentage as it moves, one after the other. */
export function progressWriter(write: (percent: number) => Promise<void>) {
  let writing: Promise<void> = Promise.resolve();
  return {
    onProgress: (percent: number): void => {
      writing = writing.then(() => write(Math.min(percent, 99))).catch(() => {});
    },
    /** Settles when the last one is written. */
    settled: (): Promise<void> => writing,
  };
}

/** What a person is told of a failure; what nobody foresaw goes to the log. */
export function sentenceOf(deps: ProjectDeps, id: string, what: string, error: unknown): string {
  // A field's name means nothing to somebody who reads of it later.
  if (error instanceof AppError) return error.message.replace(/^import_url: /, "The address ");
  if (error instanceof UpstreamError) return error.message;
  deps.log.error({ err: error, project: id }, `${what} failed`);
  return `The ${what} failed here; whoever runs the server finds why in its log.`;
}
