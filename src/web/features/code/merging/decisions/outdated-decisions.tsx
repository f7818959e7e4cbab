import type { ReactElement } from "react";
import { Alert } from "../../../../ui/feedback/alert.js";
import { Button } from "../../../../ui/actions/button.js";
import { countOf } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import type { Decision } from "./decisions.js";

/** Lists the decisions whose versions no longer exist. */
export function OutdatedDecisions({
  decisions,
  onDiscard,
}: {
  decisions: readonly Decision[];
  onDiscard: () => void;
}): ReactElement | null {
  if (decisions.length === 0) return null;
  return (
    <Alert tone="warn" live>
      <div className="flex flex-wrap items-start justify-between gap-3">
        <div>
          <p>
            {countOf(decisions.length, "decision")} no longer{" "}
            {decisions.length === 1 ? "applies" : "apply"}: a side has changed since. The others are
            kept.
          </p>
          <ul className="list-disc pl-5 font-mono text-[13px]">
            {decisions.map(({ paths }) => (
              <li key={paths.join("\n")}>
                <PlainText value={paths.join(", ")} />
              </li>
            ))}
          </ul>
        </div>
        <Button size="sm" onClick={onDiscard}>
          Discard {decisions.length === 1 ? "it" : "them"}
        </Button>
      </div>
    </Alert>
  );
}
