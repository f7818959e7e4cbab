/* oxlint-disable jsx-a11y/prefer-tag-over-role -- cells of a grid (commit-graph.tsx) */
import { Link } from "@tanstack/react-router";
import { memo, type ReactElement } from "react";
import type { GraphCommit, ProjectGraph } from "#shared/api/code/graph.js";
import { paths } from "../../../../../paths/paths.js";
import { Badge } from "../../../../../ui/feedback/badge.js";
import { formatNumber } from "../../../../../ui/text/number.js";
import { PlainText, visible } from "../../../../../ui/text/plain-text.js";
import { Time } from "../../../../../ui/text/time.js";
import { operationLabels } from "../../../parts/merges/resolution-labels.js";
import { dotKind, dotLabels } from "./commit-dot.js";
import { type GraphSize, GraphLines } from "./graph-lines.js";
import type { GraphRow } from "./lanes.js";

interface GraphRowProps {
  commit: GraphCommit;
  row: GraphRow;
  size: GraphSize;
  /** Branches whose tip is this commit. */
  branches: ProjectGraph["branches"] | undefined;
  /** Whether the viewer may open commits and merges of workspaces. */
  canOpen: boolean;
}

/** Returns the page of a commit: its merge, or the commit in its workspace; null for other commits. */
function pageOf({ sha, agent_id, merge }: GraphCommit) {
  if (merge !== null) return paths.merge(merge.agent_id, merge.id);
  return agent_id === null ? null : paths.commit(agent_id, sha);
}

/** The text of a commit, beside its part of the graph. */
export const GraphCommitRow = memo(function GraphCommitRow({
  commit,
  row,
  size,
  branches,
  canOpen,
}: GraphRowProps): ReactElement {
  const kind = dotKind(commit);
  const page = canOpen ? pageOf(commit) : null;
  const subject = commit.subject === "" ? "(no message)" : commit.subject;
  const type = commit.merge === null ? dotLabels[kind] : operationLabels[commit.merge.kind];
  return (
    <div
      title={`${visible(subject)}\n${type} by ${visible(commit.author_name)}\n${commit.sha}`}
      className="flex h-full items-center gap-3 pr-4 pl-2"
    >
      <GraphLines row={row} kind={kind} size={size} />
      <div className="flex min-w-0 flex-1 flex-col gap-x-3 xl:flex-row xl:items-center">
        <span
          role="gridcell"
          className="flex min-w-0 flex-1 items-center gap-2 overflow-hidden whitespace-nowrap"
        >
          {branches && <BranchNames branches={branches} />}
          {page === null ? (
            <span className="truncate">
              <PlainText value={subject} />
            </span>
          ) : (
            <Link
              {...page}
              tabIndex={-1}
              // The whole row is clickable, including the dot.
              className="truncate -outline-offset-2 after:absolute after:inset-0 hover:underline"
            >
              <PlainText value={subject} />
            </Link>
          )}
        </span>
        <span className="flex min-w-0 gap-x-2 text-[13px] whitespace-nowrap text-muted xl:gap-x-3">
          <span role="gridcell" className="sr-only sm:not-sr-only sm:shrink-0 xl:w-24">
            {type}
          </span>
          <span role="gridcell" className="min-w-0 truncate xl:w-32 xl:shrink-0">
            <PlainText value={commit.author_name} />
          </span>
          <span role="gridcell" className="ml-auto shrink-0 xl:w-32">
            <Time value={commit.at} />
          </span>
        </span>
      </div>
    </div>
  );
});

const maxNamed = 2;

/** Branch names; of several at one commit, the first and the number of others. */
function BranchNames({ branches }: { branches: ProjectGraph["branches"] }): ReactElement {
  const more = branches.slice(maxNamed);
  return (
    <>
      {branches.slice(0, maxNamed).map(({ name, is_default }) => (
        <Badge key={name} tone={is_default ? "accent" : "neutral"}>
          <span className="max-w-24 truncate sm:max-w-48">
            <PlainText value={name} />
          </span>
        </Badge>
      ))}
      {more.length > 0 && (
        <span title={more.map(({ name }) => visible(name)).join("\n")}>
          <Badge>
            +{formatNumber(more.length)}
            <span className="sr-only">
              {" "}
              more: {more.map(({ name }) => visible(name)).join(", ")}
            </span>
          </Badge>
        </span>
      )}
    </>
  );
}
