import type { Conflicts, FileVersion } from "#shared/api/code/merges.js";
import { notFound } from "../../../../../errors.js";
import { computeMerge, conflictFiles, readTexts, type ConflictFile } from "#git/merge/merge.js";
import { mergedTexts } from "#git/merge/merged-text.js";
import type { OrgContext } from "../../../../../http/requests/request-context.js";
import * as merges from "../merges.queries.js";
import type { MergeInput } from "./plan-merge.js";
import { answerUnavailable, withDataMerges } from "./data-merges.js";
import { isVisible } from "../../visible-branches.js";
import type { WorkspaceDeps } from "../../workspace.js";

/**
 * Returns the conflicts of an applied merge with both versions.
 * @throws AppError 404
 */
export async function readMergeConflicts(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  mergeId: string,
): Promise<Conflicts> {
  const merge = await context.tx(async (tx) => {
    const found = await merges.findRecorded(tx, agentId, mergeId);
    if (!found || !(await isVisible(tx, context.actor, found))) throw notFound();
    return found;
  });
  const { org_id, project_id } = merge;
  return readConflicts(deps, {
    org_id,
    project_id,
    source: merge.source_commit,
    target: merge.target_commit,
    base: merge.base_commit,
    drivers: merge.drivers,
  });
}

/** Returns the conflicts of a merge with both versions. */
export async function readConflicts(
  deps: WorkspaceDeps,
  input: Pick<
    MergeInput,
    "org_id" | "project_id" | "source" | "target" | "base" | "drivers" | "regeneration"
  >,
): Promise<Conflicts> {
  const repoPath = deps.storage.repository(input.org_id, input.project_id);
  const { target, source, base, drivers } = input;
  const { data } = withDataMerges(deps, input.org_id, input.regeneration);
  const computed = await answerUnavailable(() =>
    computeMerge(repoPath, target, source, base, drivers, { data }),
  );
  const files = await conflictFiles(repoPath, computed);
  const oids = files.flatMap(({ source, target }) => [...source, ...target].map(({ oid }) => oid));
  const [texts, merged] = await Promise.all([
    readTexts(repoPath, oids),
    mergedTexts(repoPath, computed),
  ]);
  const versionOf = ({ path, mode, oid }: ConflictFile): FileVersion => {
    const text = texts.get(oid) ?? { omitted: "submodule" as const };
    return typeof text === "string"
      ? { path, mode, oid, text, omitted: null }
      : { path, mode, oid, text: null, omitted: text.omitted };
  };
  return {
    source_commit: input.source,
    target_commit: input.target,
    conflicts: computed.conflicts.map(({ paths, kind }, index) => ({
      paths,
      kind,
      source: (files[index]?.source ?? []).map(versionOf),
      target: (files[index]?.target ?? []).map(versionOf),
      merged: merged[index] ?? null,
    })),
  };
}
