import type { ReactElement } from "react";
import { PlainText } from "../../../../ui/text/plain-text.js";
import type { Transcript } from "./transcript/entries.js";

const marks: Record<string, string> = { completed: "☑", in_progress: "▶", pending: "☐" };
const names: Record<string, string> = {
  completed: "done",
  in_progress: "in progress",
  pending: "to do",
};

/** The agent's plan, in one line that opens to its steps. */
export function PlanList({ plan }: { plan: NonNullable<Transcript["plan"]> }): ReactElement {
  const done = plan.filter(({ status }) => status === "completed").length;
  const current = plan.find(({ status }) => status === "in_progress");
  return (
    <details className="rounded-md border border-line bg-surface">
      <summary className="flex gap-x-2 px-3 py-1.5 before:text-muted before:content-['▸'] in-open:before:content-['▾']">
        <span className="shrink-0 font-medium">
          Plan: {done} of {plan.length}
        </span>
        {current && (
          <span className="min-w-0 truncate text-muted">
            <PlainText value={current.content} />
          </span>
        )}
      </summary>
      <ol className="max-h-60 overflow-y-auto border-t border-line px-3 py-2">
        {plan.map(({ content, status }, at) => (
          // oxlint-disable-next-line react/no-array-index-key -- a plan is replaced as a whole
          <li key={at} className="flex gap-2 py-0.5">
            <span aria-hidden="true" className="text-muted">
              {marks[status] ?? "☐"}
            </span>
            <span className="sr-only">{names[status] ?? status}: </span>
            <PlainText value={content} className={status === "completed" ? "text-muted" : ""} />
          </li>
        ))}
      </ol>
    </details>
  );
}
