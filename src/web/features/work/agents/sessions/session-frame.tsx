import type { ReactElement, ReactNode } from "react";
import { AgentFrame, type AgentPart } from "../agent-frame.js";
import { useMedia } from "../../../../hooks/use-media.js";
import { SessionList } from "./session-list.js";

interface SessionFrameProps {
  agentId: string;
  /** The session that the page shows; null for the form of a new one. */
  current: string | null;
  children: (part: AgentPart) => ReactNode;
}

/** The tab "Session": the list of sessions beside one of them; on a phone folded above it. */
export function SessionFrame({ agentId, current, children }: SessionFrameProps): ReactElement {
  const isWide = useMedia("(min-width: 64rem)");
  const list = <SessionList agentId={agentId} current={current} />;
  return (
    <AgentFrame agentId={agentId} tab="session">
      {(part) => (
        <div className="grid min-w-0 gap-x-6 gap-y-4 lg:grid-cols-[14rem_minmax(0,1fr)]">
          {isWide ? (
            <div className="sticky top-16 max-h-[calc(100vh-5rem)] self-start overflow-y-auto print:hidden">
              {list}
            </div>
          ) : (
            <details className="rounded-md border border-line print:hidden">
              <summary className="flex gap-x-1.5 px-3 py-2 font-medium before:text-muted before:content-['▸'] in-open:before:content-['▾']">
                All sessions
              </summary>
              <div className="border-t border-line p-3">{list}</div>
            </details>
          )}
          <div className="min-w-0">{children(part)}</div>
        </div>
      )}
    </AgentFrame>
  );
}
