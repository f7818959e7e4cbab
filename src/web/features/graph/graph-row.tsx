import { Link } from "@tanstack/react-router";
import { memo, type ReactElement } from "react";
import type { GraphCommit, ProjectGraph } from "#shared/api/graph.js";
import { paths } from "../../paths.js";
import { Badge } from "../../ui/badge.js";
import { PlainText, visible } from "../../ui/plain-text.js";
import { Time } from "../../ui/time.js";
import { actLabels } from "../workspaces/resolution-labels.js";
import { dotKind, dotLabels } from "./commit-dot.js";
import { GraphLines } from "./graph-lines.js";
import type { GraphRow } from "./lanes.js";

interface GraphRowProps {
  commit: GraphCommit;
  row: GraphRow;
  lanes: number;
  /** Those that end here. */
  branches: ProjectGraph["branches"] | undefined;
  /** Whether the viewer may open workspaces' commits and merges. */
  canOpen: boolean;
}

/** Where a commit is shown in whole: its merge, or itself in its workspace; null for others. */
function pageOf({ sha, agent_id, merge }: GraphCommit) {
  if (merge !== null) return paths.merge(merge.agent_id, merge.id);
  return agent_id === null ? null : paths.commit(agent_id, sha);
}

/** A commit in words, beside its part of the picture. */
export const GraphCommitRow = memo(function GraphCommitRow({
  commit,
  row,
  lanes,
  branches,
  canOpen,
}: GraphRowProps): ReactElement {
  const kind = dotKind(commit);
  const page = canOpen ? pageOf(commit) : null;
  const subject = commit.subject === "" ? "(no message)" : commit.subject;
  const type = commit.merge === null ? dotLabels[kind] : actLabels[commit.merge.kind];
  return (
    <li
      title={`${visible(subject)}\n${type} by ${visible(commit.author_name)}\n${commit.sha}`}
      className="relative flex h-8 items-center gap-3 px-2 pr-4 [content-visibility:auto] [contain-intrinsic-size:auto_2rem] focus-within:bg-sunken hover:bg-sunken"
    >
      <GraphLines row={row} kind={kind} lanes={lanes} />
      <span className="flex min-w-60 flex-1 items-center gap-2 overflow-hidden whitespace-nowrap">
        {branches?.map(({ name, is_default }) => (
          <Badge key={name} tone={is_default ? "accent" : "neutral"}>
            <PlainText value={name} />
          </Badge>
        ))}
        {page === null ? (
          <span className="truncate">
            <PlainText value={subject} />
          </span>
        ) : (
          <Link
            {...page}
            // The whole row is the link, the dot too.
            className="truncate -outline-offset-2 after:absolute after:inset-0 hover:underline focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent-ink"
          >
            <PlainText value={subject} />
          </Link>
        )}
      </span>
      <span className="w-24 shrink-0 text-[13px] text-muted">{type}</span>
      <span className="w-32 shrink-0 truncate text-[13px] text-muted">
        <PlainText value={commit.author_name} />
      </span>
      <span className="w-32 shrink-0 text-[13px] text-muted">
        <Time value={commit.at} />
      </span>
    </li>
  );
});
