import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactElement, useId } from "react";
import type { RadarPair } from "#shared/api/code/radar.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { paths } from "../../../../paths/paths.js";
import { Badge } from "../../../../ui/feedback/badge.js";
import { buttonClass } from "../../../../ui/actions/button.js";
import { Card } from "../../../../ui/layout/card.js";
import { countOf } from "../../../../ui/text/number.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { isUsable } from "../../../code/parts/workspaces/workspace-status.js";
import { Waiting } from "../../../../components/await.js";
import { PredictedConflictList } from "./predicted-conflict-list.js";
import { workspaceRadarQuery } from "../../../../api/queries/code/radar.js";
import { RadarState } from "../../../code/parts/radar/radar-state.js";
import { SideName } from "../../../code/parts/radar/side-name.js";

/** Predicted conflicts of an active workspace with other branches, before any merge. */
export function PredictedConflicts({ workspace }: { workspace: Workspace }): ReactElement | null {
  const isActive = isUsable(workspace);
  const radar = useQuery({ ...workspaceRadarQuery(workspace.agent_id), enabled: isActive });
  if (!isActive) return null;
  if (radar.data === undefined) {
    return (
      <Card title="Predicted conflicts">
        <Waiting query={radar} rows={1} />
      </Card>
    );
  }
  const { pairs, workspaces } = radar.data;
  const hasOpponent = pairs.some(({ other }) => other.agent_id !== null);
  return (
    <Card title="Predicted conflicts" actions={<RadarState radar={radar.data} />}>
      {pairs.length === 0 ? (
        <p className="text-muted">
          None with <PlainText value={workspace.base_branch} className="font-mono text-[13px]" />
          {workspaces > 1 &&
            ` and the ${countOf(workspaces - 1, "other active workspace")} of the project`}
          .
        </p>
      ) : (
        <div className="flex flex-col gap-4">
          <ul className="flex flex-col gap-4">
            {pairs.map((pair) => (
              <PairItem key={pair.other.agent_id ?? ""} pair={pair} agentId={workspace.agent_id} />
            ))}
          </ul>
          <p className="text-[13px] text-muted">
            {hasOpponent &&
              "To resolve a conflict of two agents, merge one of them. The merge of the other one then shows it, and what would become of it. "}
            Who would win is by <code className="font-mono">newest_file_wins</code>, if the two were
            merged now: whose change of the files was received last. Unsaved work is not looked at.
          </p>
        </div>
      )}
    </Card>
  );
}

function PairItem({ pair, agentId }: { pair: RadarPair; agentId: string }): ReactElement {
  const id = useId();
  const isBase = pair.other.agent_id === null;
  return (
    <li className="flex flex-col gap-2" aria-labelledby={id}>
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1">
        <p id={id} className="flex flex-wrap items-center gap-2">
          <Badge tone="warn">{countOf(pair.total_conflicts, "conflict")}</Badge>
          <span>
            with {isBase && "the base branch "}
            <SideName side={pair.other} />
          </span>
        </p>
        <Link
          {...paths.newMerge(pair.other.agent_id ?? agentId)}
          className={buttonClass("secondary", "sm")}
        >
          {isBase
            ? "Preview merge"
            : `Merge ${visible(pair.other.agent_name ?? "the other")} first`}
        </Link>
      </div>
      <PredictedConflictList pair={pair} />
    </li>
  );
}
