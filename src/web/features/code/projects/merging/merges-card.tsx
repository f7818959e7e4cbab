import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { ProjectMerge } from "#shared/api/code/merges.js";
import { useListPages } from "../../../../lists/list-pages.js";
import { paths } from "../../../../paths/paths.js";
import { Card } from "../../../../ui/layout/card.js";
import { ListTable } from "../../../../ui/tables/list-table.js";
import type { Sorting } from "../../../../ui/tables/list-view.js";
import { countOf } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../../ui/text/time.js";
import { mergeName, mergeTitle } from "../../parts/merges/merge-title.js";
import { projectMergePagesQuery } from "../../../../api/queries/code/projects.js";
import { MergeLink } from "./merge-link.js";
import { PagedList } from "../paged-list.js";

const mergeSortings: readonly Sorting<ProjectMerge>[] = [
  { key: "agent", label: "Agent", by: ({ agent_name }) => agent_name },
  { key: "into", label: "Into", by: ({ target_branch }) => target_branch },
  { key: "conflicts", label: "Conflicts", by: ({ total_conflicts }) => total_conflicts },
  { key: "date", label: "Date", by: ({ created_at }) => created_at },
];

/** The merges into branches of a project, newest first. */
export function MergesCard({ projectId }: { projectId: string }): ReactElement {
  const merges = useInfiniteQuery(projectMergePagesQuery(projectId));
  const view = useListPages(merges, {
    sortings: mergeSortings,
    textOf: (merge) => `${mergeTitle(merge)} ${mergeName(merge)} ${merge.agent_name}`,
    prefix: "merges_",
  });
  return (
    <Card title="Merges">
      <PagedList
        query={merges}
        isEmpty={view.total === 0}
        empty="No merges yet. Merge a workspace on its page."
      >
        <ListTable
          label="Merges"
          noun="merge"
          placeholder="Commit, agent or branch"
          view={view}
          rowKey={(merge) => merge.id}
          columns={[
            { name: "Merge", renderCell: (merge) => <MergeLink merge={merge} /> },
            {
              name: "Agent",
              sortKey: "agent",
              renderCell: ({ agent_id, agent_name }) => (
                <Link {...paths.workspace(agent_id)} className="text-accent-ink hover:underline">
                  <PlainText value={agent_name} />
                </Link>
              ),
            },
            {
              name: "Into",
              sortKey: "into",
              renderCell: ({ target_branch }) => (
                <PlainText value={target_branch} className="font-mono text-[13px]" />
              ),
            },
            {
              name: "Conflicts",
              sortKey: "conflicts",
              renderCell: ({ total_conflicts: count }) =>
                count === 0 ? <span className="text-muted">None</span> : countOf(count, "conflict"),
            },
            {
              name: "Date",
              sortKey: "date",
              renderCell: ({ created_at }) => <RelativeTime value={created_at} />,
            },
          ]}
        />
      </PagedList>
    </Card>
  );
}
