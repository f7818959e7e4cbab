import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { paths } from "../../../paths/paths.js";
import { CrumbLink } from "../../../components/crumb-link.js";
import { useWorkspaceCrumbs } from "../parts/workspaces/crumbs.js";
import { mergeQuery } from "../../../api/queries/code/workspaces.js";
import { mergeName } from "../parts/merges/merge-title.js";

/** Breadcrumbs of an operation on a merge: the merge and its ancestors. */
export function useMergeCrumbs(agentId: string, mergeId: string): ReactNode[] {
  const { data: merge } = useQuery(mergeQuery(agentId, mergeId));
  const above = useWorkspaceCrumbs(agentId, true);
  return [
    ...above,
    <CrumbLink key="merge" {...paths.merge(agentId, mergeId)}>
      {merge ? mergeName(merge) : "Merge"}
    </CrumbLink>,
  ];
}
