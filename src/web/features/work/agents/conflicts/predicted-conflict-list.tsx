import { type ReactElement, useState } from "react";
import type { RadarPair } from "#shared/api/code/radar.js";
import { Badge } from "../../../../ui/feedback/badge.js";
import { Button } from "../../../../ui/actions/button.js";
import { countOf } from "../../../../ui/text/number.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { Time } from "../../../../ui/text/time.js";
import { kindLabel } from "../../../code/parts/merges/resolution-labels.js";

const shownAtFirst = 5;

/** The predicted conflicts of a pair: files, kind and winner. */
export function PredictedConflictList({ pair }: { pair: RadarPair }): ReactElement {
  const [isWhole, setWhole] = useState(false);
  const { conflicts, total_conflicts: total } = pair;
  const displayed = isWhole ? conflicts : conflicts.slice(0, shownAtFirst);
  const beyond = total - conflicts.length;
  return (
    <div className="flex flex-col gap-2">
      <ul className="flex flex-col gap-1.5">
        {displayed.map((conflict) => (
          <li
            key={`${conflict.kind} ${conflict.paths.join("\0")}`}
            className="flex flex-wrap items-baseline gap-x-3 gap-y-0.5"
          >
            <span className="flex min-w-0 flex-wrap gap-x-2">
              {conflict.paths.map((path) => (
                <PlainText key={path} value={path} className="font-mono text-[13px]" />
              ))}
            </span>
            <Badge>{kindLabel(conflict.kind)}</Badge>
            <Winner pair={pair} conflict={conflict} />
          </li>
        ))}
      </ul>
      {conflicts.length > shownAtFirst && (
        <div>
          <Button size="sm" aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
            {isWhole ? "Show fewer" : `Show all ${countOf(conflicts.length, "conflict")}`}
          </Button>
        </div>
      )}
      {isWhole && beyond > 0 && (
        <p className="text-[13px] text-muted">And {countOf(beyond, "more conflict")}.</p>
      )}
    </div>
  );
}

function Winner({
  pair,
  conflict: { winner, one_time, other_time },
}: {
  pair: RadarPair;
  conflict: RadarPair["conflicts"][number];
}): ReactElement {
  if (winner === null) {
    return (
      <span className="text-[13px] text-muted">git cannot tell; a merge would be refused</span>
    );
  }
  const side = pair[winner];
  const at = winner === "one" ? one_time : other_time;
  return (
    <span className="text-[13px] text-muted">
      <span className="font-medium text-ink">{visible(side.agent_name ?? side.branch_name)}</span>{" "}
      would win
      {at !== null && (
        <>
          : changed <Time value={at} withSeconds />
        </>
      )}
    </span>
  );
}
