import { type ReactElement, useMemo, useState } from "react";
import type { Session } from "#shared/api/work/sessions.js";
import { Button } from "../../../../../ui/actions/button.js";
import { Alert } from "../../../../../ui/feedback/alert.js";
import { countOf, formatNumber } from "../../../../../ui/text/number.js";
import { PlainText } from "../../../../../ui/text/plain-text.js";
import { PlanList } from "../plan-list.js";
import { isBusy } from "../session-status.js";
import type { Entry, Transcript } from "./entries.js";
import { EntryView } from "./entry-view.js";
import type { Followed } from "../../../../../api/use-followed.js";

/** Entries drawn at first, and by each step back. */
const drawnAtOnce = 150;

interface TranscriptViewProps {
  session: Session;
  followed: Followed<Transcript>;
  /** The entries to show, all or those that a search has found. */
  found: readonly Entry[];
  /** Prompts that the agent has not taken yet. */
  waiting: readonly string[];
  /** Text in place of entries. */
  emptyText: string;
  /** Why the viewer may not answer. */
  disabledReason: string | undefined;
}

/** The newest entries of a session, prompts that wait, and the agent's plan. */
export function TranscriptView({
  session,
  followed: { value: transcript, state },
  found,
  waiting,
  emptyText,
  disabledReason,
}: TranscriptViewProps): ReactElement {
  const [drawn, setDrawn] = useState(drawnAtOnce);
  const isLive = isBusy(session);
  const requests = useMemo(
    () => new Set(session.permissions.map(({ request_id }) => request_id)),
    [session.permissions],
  );
  const asked = useMemo(
    () => session.permissions.map(({ tool_call_id }) => tool_call_id),
    [session.permissions],
  );
  const entries = found.slice(-drawn);
  return (
    <>
      {transcript.dropped > 0 && (
        <Alert tone="info">
          The first {countOf(transcript.dropped, "entry", "entries")} are available by the API
          alone.
        </Alert>
      )}
      {found.length > entries.length && (
        <Button className="self-center" onClick={() => setDrawn(drawn + drawnAtOnce)}>
          Show {formatNumber(Math.min(drawnAtOnce, found.length - entries.length))} earlier
        </Button>
      )}
      <section aria-label="Transcript" className="flex min-w-0 flex-col gap-3">
        {entries.map((entry) => (
          <EntryView
            key={entry.key}
            entry={entry}
            sessionId={session.id}
            waiting={requests}
            asked={asked}
            isLive={isLive}
            isGrowing={isLive && entry === entries.at(-1)}
            disabledReason={disabledReason}
          />
        ))}
        {state === "live" && found.length === 0 && <p className="text-muted">{emptyText}</p>}
        {waiting.map((text, at) => (
          // oxlint-disable-next-line react/no-array-index-key -- prompts leave at the front alone
          <div key={at} className="self-end rounded-lg border border-line px-3.5 py-2.5 text-muted">
            <PlainText value={text} multiline />
            <p className="mt-1 text-[13px]">{isLive ? "Waits for this turn" : "Sent"}</p>
          </div>
        ))}
      </section>
      {transcript.plan && <PlanList plan={transcript.plan} />}
    </>
  );
}
