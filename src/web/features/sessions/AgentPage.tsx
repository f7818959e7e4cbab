import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { cursorPageQuery } from "../../api/cursor-pages.js";
import { sessionList } from "../../api/queries/sessions.js";
import { useLoaded } from "../../api/use-loaded.js";
import { isOpen } from "../../components/sessions/session-status.js";
import { Conversation } from "./conversation.js";
import { SessionFrame } from "./session-frame.js";
import { StartSession } from "./start-session.js";

const route = getRouteApi("/app/agents/$agentId");

/** An agent: its newest session; once that is closed, the form of the next one. */
export function AgentPage(): ReactElement {
  const { agentId } = route.useParams();
  const { start } = route.useSearch();
  const { data } = useLoaded(cursorPageQuery(sessionList(agentId)));
  const [newest] = data.rows;
  const shown = newest && isOpen(newest) && start !== true ? newest : undefined;
  return (
    <SessionFrame agentId={agentId} current={shown?.id ?? null}>
      {({ agent, refusal, startReason }) =>
        shown ? (
          <Conversation key={shown.id} session={shown} disabledReason={refusal("agent:run")} />
        ) : (
          <StartSession agent={agent} disabledReason={startReason} />
        )
      }
    </SessionFrame>
  );
}
