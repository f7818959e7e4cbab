import type { ReactElement } from "react";
import type { Usage } from "#shared/api/organization/usage.js";
import { Meter } from "../../../../ui/feedback/meter.js";
import { formatHours, formatNumber } from "../../../../ui/text/number.js";
import { monthName, periodOf } from "./periods.js";

export function agentsText(usage: Usage): string {
  const { current, limit } = usage.concurrent_agents;
  return `${formatNumber(current)}/${formatNumber(limit)}`;
}

/** "45.2/100 hours"; below one hour "3 s of 100 h". */
export function hoursText(usage: Usage): string {
  const { current, limit } = usage.runtime_hours;
  if (current > 0 && current < 1) return `${formatHours(current)} of ${formatHours(limit)}`;
  return `${formatNumber(current)}/${formatNumber(limit)} hours`;
}

/** "3/5 agents, 45.2/100 hours" with a thin meter for each. */
export function UsageLine({ usage }: { usage: Usage }): ReactElement {
  return (
    <div className="flex max-w-72 flex-col gap-1.5">
      <span>
        {agentsText(usage)} agents, <span className="whitespace-nowrap">{hoursText(usage)}</span>
      </span>
      <div className="grid grid-cols-2 gap-2">
        <Meter
          label="Concurrent agents"
          {...usage.concurrent_agents}
          text={`${agentsText(usage)} agents`}
        />
        <Meter label="Runtime hours" {...usage.runtime_hours} text={hoursText(usage)} />
      </div>
    </div>
  );
}

/** Both limits side by side, for detail pages. */
export function UsageMeters({ usage }: { usage: Usage }): ReactElement {
  const rows = [
    { label: "Concurrent agents", text: `${agentsText(usage)} agents`, ...usage.concurrent_agents },
    { label: "Runtime hours", text: hoursText(usage), ...usage.runtime_hours },
  ];
  return (
    <div className="@container flex flex-col gap-4">
      <div className="grid gap-x-8 gap-y-4 @xl:grid-cols-2">
        {rows.map((row) => (
          <div key={row.label} className="flex flex-col gap-1.5">
            <div className="flex items-baseline justify-between gap-2">
              <span className="text-muted">{row.label}</span>
              <span className="font-medium tabular-nums">{row.text}</span>
            </div>
            <Meter {...row} />
          </div>
        ))}
      </div>
      <p className="text-[13px] text-muted">
        This month: {monthName(periodOf(usage.period_start))} (UTC)
      </p>
    </div>
  );
}
