import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { Session } from "#shared/api/work/sessions.js";
import { useCursorPages } from "../../../../api/cursor-pages.js";
import { sessionList, sessionSearchQuery } from "../../../../api/queries/work/sessions.js";
import { Await } from "../../../../components/await.js";
import { SessionStatus } from "../../parts/sessions/session-status.js";
import { useDebounced } from "../../../../hooks/use-debounced.js";
import { paths } from "../../../../paths/paths.js";
import { buttonClass } from "../../../../ui/actions/button.js";
import { Icon } from "../../../../ui/actions/icons.js";
import { SearchField } from "../../../../ui/fields/search-field.js";
import { PageSteps } from "../../../../ui/tables/list-view.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../../ui/text/time.js";

interface SessionListProps {
  agentId: string;
  /** The session that the page shows; null for the form of a new one. */
  current: string | null;
}

/** The sessions of an agent, newest first, and a search in their transcripts. */
export function SessionList({ agentId, current }: SessionListProps): ReactElement {
  const [search, setSearch] = useState("");
  const sought = useDebounced(search.trim(), 250);
  return (
    <nav aria-label="Sessions" className="flex min-w-0 flex-col gap-3">
      <Link {...paths.agent(agentId, { start: true })} className={buttonClass("secondary", "sm")}>
        <Icon name="plus" />
        New session
      </Link>
      <SearchField
        label="Search all sessions"
        placeholder="Search all"
        value={search}
        onChange={setSearch}
      />
      {sought.length < 2 ? (
        <AllSessions agentId={agentId} current={current} />
      ) : (
        <FoundSessions agentId={agentId} sought={sought} />
      )}
    </nav>
  );
}

function AllSessions({ agentId, current }: SessionListProps): ReactElement {
  const { query, rows, place } = useCursorPages(sessionList(agentId));
  return (
    <Await query={query} what="The sessions" rows={2}>
      {() =>
        rows.length === 0 ? (
          <p className="px-2.5 text-[13px] text-muted">No session yet.</p>
        ) : (
          <>
            <ul className="flex flex-col gap-0.5">
              {rows.map((session) => (
                <li key={session.id}>
                  <SessionLink session={session} isCurrent={session.id === current} />
                </li>
              ))}
            </ul>
            <PageSteps label="Sessions" {...place} />
          </>
        )
      }
    </Await>
  );
}

const linkClass =
  "flex flex-col gap-0.5 rounded-md px-2.5 py-1.5 hover:bg-sunken aria-[current=page]:bg-accent-soft";

function SessionLink({
  session,
  isCurrent,
}: {
  session: Session;
  isCurrent: boolean;
}): ReactElement {
  return (
    <Link
      {...paths.session(session.agent_id, session.id)}
      aria-current={isCurrent ? "page" : undefined}
      className={linkClass}
    >
      <span className="line-clamp-2 font-medium">
        <PlainText value={session.title} />
      </span>
      <span className="flex flex-wrap justify-between gap-x-2 text-[13px] text-muted">
        <SessionStatus status={session.status} />
        <RelativeTime value={session.updated_at} />
      </span>
    </Link>
  );
}

function FoundSessions({ agentId, sought }: { agentId: string; sought: string }): ReactElement {
  const found = useQuery(sessionSearchQuery(agentId, sought));
  return (
    <Await query={found} what="The search" rows={2}>
      {({ matches, is_complete }) => (
        <>
          <ul className="flex flex-col gap-0.5">
            {matches.map(({ session_id, title, excerpt, at }, index) => (
              // oxlint-disable-next-line react/no-array-index-key -- several matches may be in one session
              <li key={index}>
                <Link {...paths.session(agentId, session_id)} className={linkClass}>
                  <span className="truncate font-medium">
                    <PlainText value={title} />
                  </span>
                  <span className="line-clamp-3 text-[13px] text-muted">
                    <PlainText value={excerpt} />
                  </span>
                  <span className="text-[13px] text-muted">
                    <RelativeTime value={at} />
                  </span>
                </Link>
              </li>
            ))}
          </ul>
          <output className="px-2.5 text-[13px] text-muted">
            {matches.length === 0 ? "Nothing found." : ""}
            {is_complete ? "" : " Older sessions were not searched."}
          </output>
        </>
      )}
    </Await>
  );
}
