import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { sessionQuery } from "../../../../api/queries/work/sessions.js";
import { useLoaded } from "../../../../api/use-loaded.js";
import { Conversation } from "../../parts/sessions/conversation.js";
import { SessionFrame } from "./session-frame.js";

const route = getRouteApi("/app/agents/$agentId/sessions/$sessionId");

/** One session of an agent. */
export function SessionPage(): ReactElement {
  const { agentId, sessionId } = route.useParams();
  const { data: session } = useLoaded(sessionQuery(sessionId));
  return (
    <SessionFrame agentId={agentId} current={sessionId}>
      {({ refusal }) => (
        <Conversation key={sessionId} session={session} disabledReason={refusal("agent:run")} />
      )}
    </SessionFrame>
  );
}
