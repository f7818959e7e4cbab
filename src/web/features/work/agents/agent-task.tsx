import type { ReactElement } from "react";
import type { AgentTask } from "#shared/api/work/agents.js";
import { PlainText } from "../../../ui/text/plain-text.js";

/** The task of an agent: its title, which opens to its text. */
export function AgentTaskDetails({ task }: { task: AgentTask }): ReactElement {
  return (
    <details className="min-w-0 rounded-lg border border-line bg-surface shadow-raised">
      <summary className="flex gap-x-2 px-4 py-2.5 before:mr-0 before:text-muted before:content-['▸'] in-open:before:content-['▾']">
        <span className="text-muted">Task:</span>
        <PlainText value={task.title} className="min-w-0 font-medium" />
      </summary>
      <div className="max-h-80 overflow-y-auto border-t border-line px-4 py-2.5 text-[13px]">
        <PlainText value={task.text} multiline />
      </div>
    </details>
  );
}
