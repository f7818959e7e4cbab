/**
 * The driver `regenerate`: the results of commands that run in the sandbox on merged files. A result
 * belongs to the command, its files and the exact tree, so the same merge is the same again.
 */
import { createHash } from "node:crypto";
import { canonicalJson } from "#shared/organization/audit.js";
import type { DataMerges, FileToRegenerate, RegeneratedFile } from "#git/merge/merge.js";
import { readObjects } from "#git/objects/object-reader.js";
import { commitTree } from "#git/store/repository.js";
import type { Storage } from "../../../../../data-folder/storage.js";
import type { Database } from "../../../../../db/connection/connect.js";
import type { CheckDefinition } from "../../../../../db/tables/workspace-tables.js";
import { listRegenerations, type Regeneration } from "./regenerations.queries.js";

/** The treatment of results that a merge cannot compute while it holds locks. */
export interface RegenerationRules {
  /** Whether it needs the results. Otherwise files without result are pending, as in a preview. */
  isRequired: boolean;
  /** Whether a failed command is a result. Otherwise it runs again. */
  countsFailure: (failed: { id: string; ended_at: string | null }) => boolean;
  /** The data merges of the operation; by default new ones, which wait for their turns. */
  data?: DataMerges;
}

/** The rules of a preview. */
export const previewRules: RegenerationRules = { isRequired: false, countsFailure: () => true };

/** The rules of a merge that will be computed again later. */
export const postponed: RegenerationRules = { isRequired: false, countsFailure: () => false };

/** A merge needs the results of commands first. */
export class RegenerationRequired extends Error {
  override readonly name = "RegenerationRequired";
  readonly projectId: string;
  readonly regenerations: readonly Regeneration[];

  constructor(projectId: string, regenerations: readonly Regeneration[]) {
    super("files of the merge have to be regenerated first");
    this.projectId = projectId;
    this.regenerations = regenerations;
  }
}

/**
 * Returns the results of the files' commands on a tree.
 * @throws RegenerationRequired
 */
export async function findRegenerated(
  deps: { storage: Storage; db: Pick<Database, "tenant"> },
  input: { org_id: string; project_id: string; regeneration?: RegenerationRules },
  tree: string,
  files: readonly FileToRegenerate[],
): Promise<RegeneratedFile[]> {
  const { org_id, project_id, regeneration: rules = previewRules } = input;
  const repoPath = deps.storage.repository(org_id, project_id);
  const commit_sha = await commitTree(repoPath, {
    tree,
    parents: [],
    message: "Files to be regenerated",
    author: { name: "Omoi", email: "omoi@localhost" },
    date: new Date(0),
  });
  const wanted = regenerationsOf(commit_sha, files);
  const stored = await deps.db.tenant(org_id, (tx) => listRegenerations(tx, project_id, wanted));
  const missing: Regeneration[] = [];
  const results: RegeneratedFile[] = [];
  for (const regeneration of wanted) {
    const found = stored.find((row) => row.definition_hash === regeneration.definition_hash);
    const run_id = found?.run_id ?? null;
    const { outputs } = found ?? {};
    if (found?.status === "passed" && outputs && (await areStored(repoPath, outputs))) {
      results.push(...outputs.map((file) => ({ ...file, run_id })));
    } else if (found?.status === "failed" && rules.countsFailure(found)) {
      const reason = found.detail ?? "Its command failed.";
      results.push(...regeneration.definition.paths.map((path) => ({ path, run_id, reason })));
    } else {
      missing.push(regeneration);
      for (const path of regeneration.definition.paths) {
        results.push({ path, run_id: null, pending: true });
      }
    }
  }
  if (missing.length > 0 && rules.isRequired) throw new RegenerationRequired(project_id, missing);
  return results;
}

/** Returns one regeneration for each command, with all of its files. */
function regenerationsOf(commit_sha: string, files: readonly FileToRegenerate[]): Regeneration[] {
  const byCommand = new Map<string, CheckDefinition & { paths: string[] }>();
  for (const { name, driver } of files) {
    const { command, timeout_seconds, network } = driver;
    const key = canonicalJson({ command, timeout_seconds, network });
    const paths = [...(byCommand.get(key)?.paths ?? []), name];
    byCommand.set(key, { command, timeout_seconds, network, log_pattern: null, paths });
  }
  return [...byCommand.values()].map((definition) => ({
    commit_sha,
    definition,
    definition_hash: createHash("sha256").update(canonicalJson(definition)).digest("hex"),
  }));
}

/** A repository restored from a backup lacks blobs that no merge uses. */
async function areStored(repoPath: string, outputs: readonly { oid: string }[]): Promise<boolean> {
  const oids = outputs.map(({ oid }) => oid);
  return (await readObjects(repoPath, oids, "info")).every((found) => found !== null);
}
