import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { TimedRun } from "#shared/api/execution/runs.js";
import { lazy } from "../../../../hooks/lazy.js";
import { paths } from "../../../../paths/paths.js";
import type { Tone } from "../../../../ui/feedback/badge.js";
import { countOf } from "../../../../ui/text/number.js";
import { Segments } from "../../../../ui/fields/radio.js";
import { type Lane, Timeline } from "../../../../ui/charts/timeline.js";
import { ResourceCard } from "../../../../components/resource-card.js";
import { defaultTimelineHours, timelineQuery } from "../../../../api/queries/work/timeline.js";

const statusStyles: Record<TimedRun["status"], { tone: Tone; text: string }> = {
  queued: { tone: "neutral", text: "Queued" },
  running: { tone: "accent", text: "Running" },
  succeeded: { tone: "good", text: "Succeeded" },
  failed: { tone: "bad", text: "Failed" },
  stopped: { tone: "neutral", text: "Stopped" },
  timed_out: { tone: "warn", text: "Timed out" },
  lost: { tone: "warn", text: "Lost" },
  quota_exceeded: { tone: "warn", text: "Out of quota" },
};
const legend = [
  statusStyles.running,
  statusStyles.succeeded,
  statusStyles.failed,
  statusStyles.stopped,
  { tone: "warn" as const, text: "Lost, timed out or out of quota" },
];

const ranges = {
  "1": "Hour",
  "6": "6 hours",
  "24": "Day",
  "168": "Week",
} as const;
type Range = keyof typeof ranges;
/** Milliseconds per hour. */
const hourMs = 3_600_000;

const clock = lazy(
  () => new Intl.DateTimeFormat("en-US", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
);
const day = lazy(() => new Intl.DateTimeFormat("en-US", { month: "short", day: "numeric" }));

/** "42 s", "3 min", "1 h 20 min". */
function lengthOf(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function lanesOf(runs: readonly TimedRun[], now: number): Lane[] {
  const byAgent = new Map<string, TimedRun[]>();
  for (const run of runs) byAgent.set(run.agent_id, [...(byAgent.get(run.agent_id) ?? []), run]);
  return [...byAgent]
    .map(([agentId, own]) => ({
      key: agentId,
      name: `${own[0]?.agent_name ?? ""}: ${countOf(own.length, "run")}`,
      label: (
        <Link {...paths.workspace(agentId)} className="text-accent-ink hover:underline">
          {own[0]?.agent_name}
        </Link>
      ),
      sortedBy: own[0]?.agent_name ?? "",
      bars: own.toReversed().map(({ id, status, started_at, ended_at }) => {
        const from = Date.parse(started_at);
        const to = ended_at === null ? now : Date.parse(ended_at);
        const { tone, text } = statusStyles[status];
        return {
          key: id,
          from,
          to,
          tone,
          text: `${text}, ${lengthOf(to - from)}, from ${day().format(from)} ${clock().format(from)}`,
        };
      }),
    }))
    .toSorted((left, right) =>
      left.sortedBy.localeCompare(right.sortedBy, "en", { numeric: true }),
    );
}

interface RunTimelineProps {
  orgId: string;
  /** Only this agent's runs. */
  agentId?: string;
  title?: string;
}

/** Runs by agent over time, with their outcomes. */
export function RunTimeline({ orgId, agentId, title = "Runs" }: RunTimelineProps): ReactElement {
  const [range, setRange] = useState<Range>(`${defaultTimelineHours}`);
  const hours = Number(range);
  const runs = useQuery({
    ...timelineQuery(orgId, hours, agentId),
    placeholderData: keepPreviousData,
  });
  const to = runs.dataUpdatedAt;
  return (
    <ResourceCard
      title={title}
      actions={
        <Segments
          legend="Period"
          hideLegend
          value={range}
          onChange={setRange}
          options={(Object.keys(ranges) as Range[])
            .toSorted((left, right) => Number(left) - Number(right))
            .map((value) => ({ value, label: ranges[value] }))}
        />
      }
      query={runs}
      rows={2}
      what="The runs"
    >
      {(data) =>
        data.rows.length === 0 ? (
          <p className="py-4 text-center text-muted">
            Nothing ran in the last{" "}
            {hours === 1 ? "hour" : hours === 168 ? "week" : `${hours} hours`}.
          </p>
        ) : (
          <div className="flex flex-col gap-2">
            <Timeline
              label={title}
              from={to - hours * hourMs}
              to={to}
              lanes={lanesOf(data.rows, to)}
              tickOf={(time) => (hours > 24 ? day : clock)().format(time)}
              legend={legend}
            />
            {data.isCut && (
              <p className="text-[13px] text-muted">
                The newest {countOf(data.rows.length, "run")}; there are more in this period.
              </p>
            )}
          </div>
        )
      }
    </ResourceCard>
  );
}
