import { memo, type ReactElement, useState } from "react";
import { TextDiff } from "../../../../code/parts/diffs/text-diff-view.js";
import { Icon, type IconName, Spinner } from "../../../../../ui/actions/icons.js";
import { PlainText } from "../../../../../ui/text/plain-text.js";
import type { Entry } from "./entries.js";

type Tool = Extract<Entry, { type: "tool" }>;

/** The kinds of tools of the Agent Client Protocol. */
const icons: Record<string, IconName> = {
  read: "file",
  edit: "edit",
  delete: "close",
  move: "switch",
  search: "search",
  execute: "terminal",
  think: "info",
  fetch: "download",
};

const states: Record<string, string> = {
  pending: "Waiting",
  in_progress: "Running",
  completed: "Done",
  failed: "Failed",
};

interface ToolCallProps {
  tool: Tool;
  /** Whether the agent waits for a permission for it. */
  isAsked: boolean;
  /** Whether it is the newest one that does: it is open, and its changes are shown. */
  isNewest: boolean;
  /** Whether the turn of the tool is in progress. */
  isLive: boolean;
}

/** A tool that the agent uses, which opens to its output and the changes of files. */
export const ToolCall = memo(function ToolCall({
  tool,
  isAsked,
  isNewest,
  isLive,
}: ToolCallProps): ReactElement {
  const [isOpened, setOpened] = useState<boolean>();
  const { title, kind, status, content, paths } = tool;
  const others = paths.map(ofWorkspace).filter((path) => !title.includes(path));
  const hasMore = content.length > 0;
  const isOpen = hasMore && (isOpened ?? isNewest);
  const isRunning = isLive && (status === "in_progress" || status === "pending");
  const line = (
    <>
      {isRunning && !isAsked ? (
        <Spinner />
      ) : (
        <Icon name={icons[kind] ?? "info"} className="text-muted" />
      )}
      <span className="min-w-0 flex-1 text-left">
        <PlainText value={title} className="font-mono text-[13px]" />
        {others.length > 0 && (
          <PlainText value={others.join(", ")} className="ml-2 text-[13px] text-muted" />
        )}
      </span>
      <span className={`text-[13px] ${status === "failed" ? "text-bad" : "text-muted"}`}>
        {isAsked ? "Asks" : (states[status] ?? <PlainText value={status} />)}
      </span>
    </>
  );
  const lineClass = "flex w-full items-center gap-2.5 px-3 py-1.5";
  return (
    <div className="overflow-clip rounded-md border border-line bg-surface">
      {hasMore ? (
        <button
          type="button"
          aria-expanded={isOpen}
          onClick={() => setOpened(!isOpen)}
          className={`${lineClass} hover:bg-sunken`}
        >
          {line}
          <Icon name={isOpen ? "chevronDown" : "chevronRight"} className="text-muted" />
        </button>
      ) : (
        <div className={lineClass}>{line}</div>
      )}
      {isOpen && (
        <div className="divide-y divide-line border-t border-line">
          {content.map((item, at) =>
            item.type === "text" ? (
              <pre
                // oxlint-disable-next-line react/no-array-index-key -- a tool's contents are replaced as a whole
                key={at}
                className="max-h-96 overflow-auto px-3 py-2 font-mono text-[13px]"
              >
                <PlainText value={item.text} multiline />
              </pre>
            ) : (
              // oxlint-disable-next-line react/no-array-index-key -- a tool's contents are replaced as a whole
              <div key={at} className="max-h-[32rem] overflow-auto">
                <p className="bg-sunken px-3 py-1 font-mono text-[13px] text-muted">
                  <PlainText value={ofWorkspace(item.path)} />
                  {item.old_text === null && " (new file)"}
                </p>
                <TextDiff
                  path={item.path}
                  before={item.old_text ?? ""}
                  after={item.new_text}
                  mode="unified"
                />
              </div>
            ),
          )}
        </div>
      )}
    </div>
  );
});

/** Agents name files by their path in the sandbox. */
const ofWorkspace = (path: string): string => path.replace(/^\/workspace\//, "");
