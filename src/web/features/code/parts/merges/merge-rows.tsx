import type { Merge } from "#shared/api/code/merges.js";
import type { Rows } from "../../../../ui/layout/card.js";
import { formatNumber } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { Time } from "../../../../ui/text/time.js";

const code = "font-mono text-[13px]";

/** The merge's page lists all of them. */
const maxNamed = 10;

/** Returns a merge's fields, for its card and its page. */
export function mergeRows(merge: Merge): Rows {
  return {
    "Target Branch": <PlainText value={merge.target_branch} className={code} />,
    "Source Branch": <PlainText value={merge.source_branch} className={code} />,
    "Conflicts Resolved": formatNumber(merge.total_conflicts),
    Strategy: <code className={code}>{merge.resolution_strategy}</code>,
    ...(merge.conflicts_resolved.length === 0
      ? {}
      : {
          Files: (
            <ul className="list-disc pl-4 marker:text-muted">
              {merge.conflicts_resolved.slice(0, maxNamed).map((path) => (
                <li key={path}>
                  <PlainText value={path} className={code} />
                </li>
              ))}
              {merge.conflicts_resolved.length > maxNamed && (
                <li className="text-muted">
                  and {formatNumber(merge.conflicts_resolved.length - maxNamed)} more
                </li>
              )}
            </ul>
          ),
        }),
    Date: <Time value={merge.created_at} />,
  };
}
