import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { RadarPair } from "#shared/api/code/radar.js";
import { Button } from "../../../../ui/actions/button.js";
import { Card } from "../../../../ui/layout/card.js";
import { formatNumber } from "../../../../ui/text/number.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { Table } from "../../../../ui/tables/table.js";
import { Waiting } from "../../../../components/await.js";
import { projectRadarQuery } from "../../../../api/queries/code/radar.js";
import { RadarState } from "../../parts/radar/radar-state.js";
import { SideName } from "../../parts/radar/side-name.js";

/** Pairs shown at first; the rest of the overview follows. */
const shownAtFirst = 5;
const step = 20;

/** Predicted conflicts between a project's workspaces and with their base branches, most first. */
export function ProjectRadar({ projectId }: { projectId: string }): ReactElement | null {
  const radar = useQuery(projectRadarQuery(projectId));
  const [limit, setLimit] = useState(shownAtFirst);
  if (radar.data === undefined) {
    return (
      <Card title="Predicted conflicts">
        <Waiting query={radar} rows={1} />
      </Card>
    );
  }
  const { pairs, total_pairs: total, workspaces } = radar.data;
  if (workspaces === 0) return null;
  const left = pairs.length - limit;
  return (
    <Card title="Predicted conflicts" actions={<RadarState radar={radar.data} />}>
      {pairs.length === 0 ? (
        <p className="text-muted">
          {workspaces === 1
            ? "None between the active workspace and its base branch."
            : `None between ${formatNumber(workspaces)} active workspaces and their base branches.`}
        </p>
      ) : (
        <div className="-m-4">
          <Table
            label="Predicted conflicts"
            rows={pairs.slice(0, limit)}
            rowKey={({ one, other }) => `${one.agent_id} ${other.agent_id}`}
            columns={[
              { name: "Between", renderCell: (pair) => <Between pair={pair} /> },
              {
                name: "Conflicts",
                isNumber: true,
                renderCell: (pair) => formatNumber(pair.total_conflicts),
              },
              { name: "Files", renderCell: (pair) => <Files pair={pair} /> },
              { name: "Would win", renderCell: (pair) => winnersOf(pair) },
            ]}
          />
          {left > 0 && (
            <div className="border-t border-line p-3 text-center">
              <Button size="sm" onClick={() => setLimit(limit + step)}>
                Show more ({formatNumber(left)})
              </Button>
            </div>
          )}
          {left <= 0 && total > pairs.length && (
            <p className="border-t border-line p-3 text-center text-[13px] text-muted">
              And {formatNumber(total - pairs.length)} more pairs; each workspace shows its own.
            </p>
          )}
        </div>
      )}
    </Card>
  );
}

function Between({ pair }: { pair: RadarPair }): ReactElement {
  return (
    <span className="flex flex-wrap items-baseline gap-x-2">
      <SideName side={pair.one} />
      <span className="text-muted">and</span>
      <SideName side={pair.other} />
    </span>
  );
}

function Files({ pair }: { pair: RadarPair }): ReactElement {
  const displayed = pair.conflicts.slice(0, 2).flatMap(({ paths }) => paths.slice(0, 1));
  const more = pair.total_conflicts - displayed.length;
  return (
    <span className="flex flex-wrap gap-x-3 [overflow-wrap:anywhere]">
      {displayed.map((path) => (
        <PlainText key={path} value={path} className="font-mono text-[13px]" />
      ))}
      {more > 0 && <span className="text-[13px] text-muted">and {formatNumber(more)} more</span>}
    </span>
  );
}

/** "worker-1", or "worker-1, worker-2" if each wins some of the conflicts shown. */
function winnersOf({ one, other, conflicts }: RadarPair): string {
  const names = {
    one: one.agent_name ?? one.branch_name,
    other: other.agent_name ?? other.branch_name,
  };
  const winners = new Set(
    conflicts.flatMap(({ winner }) => (winner === null ? [] : [names[winner]])),
  );
  return winners.size === 0 ? "Unknown" : [...winners].map(visible).join(", ");
}
