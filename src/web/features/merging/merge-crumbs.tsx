import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { paths } from "../../paths/paths.js";
import { CrumbLink } from "../../components/crumb-link.js";
import { useWorkspaceCrumbs } from "../../components/workspaces/crumbs.js";
import { mergeQuery } from "../../api/queries/workspaces.js";
import { operationLabels } from "../../components/merges/resolution-labels.js";

/** Breadcrumbs of an operation on a merge: the merge and its ancestors. */
export function useMergeCrumbs(agentId: string, mergeId: string): ReactNode[] {
  const { data: merge } = useQuery(mergeQuery(agentId, mergeId));
  const above = useWorkspaceCrumbs(agentId, true);
  const name = merge
    ? `${operationLabels[merge.kind]} ${merge.merge_commit_sha?.slice(0, 12) ?? ""}`
    : "Merge";
  return [
    ...above,
    <CrumbLink key="merge" {...paths.merge(agentId, mergeId)}>
      {name}
    </CrumbLink>,
  ];
}
