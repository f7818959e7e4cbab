import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { ModelBudget } from "#shared/api/organization/usage.js";
import { modelBudgetQuery } from "../../../../api/queries/organization/usage.js";
import { Meter } from "../../../../ui/feedback/meter.js";
import { formatNumber } from "../../../../ui/text/number.js";
import { costText } from "./model-figures.js";

const kinds = [
  { kind: "cost_usd", label: "Cost", meter: "Used cost budget", textOf: costText },
  { kind: "tokens", label: "Tokens", meter: "Used token budget", textOf: formatNumber },
] as const;

/** How much of this month's budgets of the organization, a project or an agent is used. */
export function BudgetUse({ orgId, ownerId }: { orgId: string; ownerId: string }): ReactElement {
  const { data, isError } = useQuery(modelBudgetQuery(orgId, ownerId));
  if (data === undefined && isError)
    return <p className="text-muted">The used budget could not be loaded.</p>;
  return (
    <div className="@container">
      <div className="grid gap-x-8 gap-y-4 @xl:grid-cols-2">
        {kinds.map(({ kind, label, meter, textOf }) => (
          <div key={kind} className="flex flex-col gap-1.5">
            <div className="flex flex-wrap items-baseline justify-between gap-x-2">
              <span className="text-muted">{label}</span>
              <span className="font-medium tabular-nums">
                {data ? textOfUse(data[kind], textOf) : "…"}
              </span>
            </div>
            {data && data[kind].limit !== null && (
              <Meter
                label={meter}
                current={data[kind].used}
                limit={data[kind].limit}
                text={textOfUse(data[kind], textOf)}
              />
            )}
          </div>
        ))}
      </div>
    </div>
  );
}

/** "$3.20 of $50.00 this month", or "$3.20 this month" without a budget. */
function textOfUse(
  { used, limit }: ModelBudget["tokens"],
  textOf: (value: number) => string,
): string {
  const budget = limit === null ? "" : ` of ${textOf(limit)}`;
  return `${textOf(used)}${budget} this month`;
}
