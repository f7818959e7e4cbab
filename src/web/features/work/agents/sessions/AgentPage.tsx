import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { Session } from "#shared/api/work/sessions.js";
import { cursorPageQuery } from "../../../../api/cursor-pages.js";
import { sessionList, sessionQuery } from "../../../../api/queries/work/sessions.js";
import { useLoaded } from "../../../../api/use-loaded.js";
import { isOpen } from "../../parts/sessions/session-status.js";
import { Conversation } from "../../parts/sessions/conversation.js";
import { SessionFrame } from "./session-frame.js";
import { StartSession } from "./start-session.js";

const route = getRouteApi("/app/agents/$agentId");

/** An agent: its newest session; once that is closed, the form of the next one. */
export function AgentPage(): ReactElement {
  const { agentId } = route.useParams();
  const { start = false } = route.useSearch();
  return <NewestSession key={`${agentId} ${start}`} agentId={agentId} isNew={start} />;
}

function NewestSession({ agentId, isNew }: { agentId: string; isNew: boolean }): ReactElement {
  const { data } = useLoaded(cursorPageQuery(sessionList(agentId)));
  const [newest] = data.rows;
  // The session stays, also when another one is started elsewhere: the viewer may be writing.
  const [shown] = useState(() => (newest && isOpen(newest) && !isNew ? newest : undefined));
  return (
    <SessionFrame agentId={agentId} current={shown?.id ?? null}>
      {({ agent, refusal, sessionReason }) =>
        shown ? (
          <Shown first={shown} disabledReason={refusal("agent:run")} />
        ) : (
          <StartSession agent={agent} disabledReason={sessionReason} />
        )
      }
    </SessionFrame>
  );
}

function Shown({
  first,
  disabledReason,
}: {
  first: Session;
  disabledReason: string | undefined;
}): ReactElement {
  const { data = first } = useQuery({ ...sessionQuery(first.id), placeholderData: first });
  return <Conversation session={data} disabledReason={disabledReason} />;
}
