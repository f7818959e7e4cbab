import type { ReactElement, ReactNode } from "react";
import { attentionNames } from "#shared/work/task-words.js";
import { formatDuration } from "../../execution/parts/runs/format.js";
import { LineCounts } from "../parts/board/line-counts.js";
import { useNow } from "../../../hooks/use-now.js";
import { countOf } from "../../../ui/text/number.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import type { ItemOf } from "./attention-sections.js";

/** Why a task needs a person. */
export function TaskMessage({ item }: { item: ItemOf<"task"> }): ReactElement {
  const { kind, summary, changes } = item;
  const said = summary.trim() === "" ? null : <PlainText value={summary.trim()} />;
  const text = ((): ReactNode => {
    switch (kind) {
      case "review":
        return (
          <>
            {changes === null ? (
              attentionNames.review
            ) : (
              <>
                <LineCounts additions={changes.added} deletions={changes.removed} /> ·{" "}
                {countOf(changes.files, "file")}
              </>
            )}
            {said !== null && <> · {said}</>}
          </>
        );
      case "stuck":
        return <SilentFor since={item.at} />;
      case "no_changes":
      case "delivery_unknown":
        return said === null ? (
          attentionNames[kind]
        ) : (
          <>
            {attentionNames[kind]}: {said}
          </>
        );
      default:
        return said ?? attentionNames[kind];
    }
  })();
  return <span className={kind === "question" ? "" : "text-muted"}>{text}</span>;
}

/** "Silent for 19 min" */
function SilentFor({ since }: { since: string }): ReactElement {
  const minutes = Math.floor((useNow() - Date.parse(since)) / 60_000);
  return <>Silent for {formatDuration(Math.max(1, minutes) * 60)}</>;
}
