import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { paths } from "../../../../paths/paths.js";
import { Time } from "../../../../ui/text/time.js";
import { mergeQuery } from "../../../../api/queries/code/workspaces.js";
import { mergeName } from "../../parts/merges/merge-title.js";

/** A link to a related merge, by kind and date. */
export function MergeLink({
  agentId,
  mergeId,
}: {
  agentId: string;
  mergeId: string;
}): ReactElement {
  const { data: merge } = useQuery(mergeQuery(agentId, mergeId));
  return (
    <span>
      <Link {...paths.merge(agentId, mergeId)} className="text-accent-ink hover:underline">
        {merge ? mergeName(merge) : "See it"}
      </Link>
      {merge && (
        <>
          {" "}
          · <Time value={merge.created_at} />
        </>
      )}
    </span>
  );
}
