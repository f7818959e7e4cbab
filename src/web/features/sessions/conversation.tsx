import { Link } from "@tanstack/react-router";
import { type ReactElement, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import type { Session } from "#shared/api/agents/sessions.js";
import type { StreamState } from "../../api/follow-stream.js";
import { isOpen, SessionStatus } from "../../components/sessions/session-status.js";
import { useNow } from "../../hooks/use-now.js";
import { paths } from "../../paths/paths.js";
import { Button, buttonClass } from "../../ui/actions/button.js";
import { Alert } from "../../ui/feedback/alert.js";
import { countOf, formatNumber } from "../../ui/text/number.js";
import { PlainText } from "../../ui/text/plain-text.js";
import { Composer } from "./composer.js";
import { PlanList } from "./plan-list.js";
import { SessionHead } from "./session-head.js";
import { EntryView } from "./transcript/entry-view.js";
import { textOf, type Transcript } from "./transcript/entries.js";
import { useTranscript } from "./transcript/use-transcript.js";

const states: Record<StreamState, string> = {
  connecting: "Connecting…",
  live: "",
  lost: "Reconnecting…",
  ended: "",
  refused: "You no longer have access to this session.",
};

/** Entries drawn at first, and by each step back. */
const drawnAtOnce = 150;
/** Distance from the end of the page within which the page follows new entries, in pixels. */
const nearEnd = 320;

interface ConversationProps {
  session: Session;
  /** Why the viewer may not write to the agent. */
  disabledReason: string | undefined;
}

/** A session: its transcript, live, and the field for the next prompt. Must remount for another session. */
export function Conversation({ session, disabledReason }: ConversationProps): ReactElement {
  const { transcript, state, version } = useTranscript(session.id);
  const [drawn, setDrawn] = useState(drawnAtOnce);
  const [search, setSearch] = useState("");
  const sent = useSentPrompts(transcript, version);
  const isBusy = session.status === "working" || session.status === "waiting_for_permission";
  const waiting = useMemo(
    () => new Set(session.permissions.map(({ request_id }) => request_id)),
    [session.permissions],
  );
  const asked = useMemo(
    () => session.permissions.map(({ tool_call_id }) => tool_call_id),
    [session.permissions],
  );
  const wanted = search.trim().toLowerCase();
  const found = useMemo(
    () =>
      wanted === ""
        ? transcript.entries
        : transcript.entries.filter((entry) => textOf(entry).toLowerCase().includes(wanted)),
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- the array of entries is mutated; `version` changes with it
    [transcript, wanted, version],
  );
  const entries = found.slice(-drawn);
  const follow = useFollowedEnd(version + sent.waiting.length);
  return (
    <div className="flex min-w-0 flex-col gap-4">
      <SessionHead
        session={session}
        disabledReason={disabledReason}
        search={search}
        onSearch={setSearch}
        found={wanted === "" ? "" : countOf(found.length, "entry", "entries")}
      />
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
            waiting={waiting}
            asked={asked}
            isLive={isBusy}
            isGrowing={isBusy && entry === entries.at(-1)}
            disabledReason={disabledReason}
          />
        ))}
        {state === "live" && found.length === 0 && (
          <p className="text-muted">
            {wanted === "" ? "Nothing yet. Write the first prompt below." : "Nothing found."}
          </p>
        )}
        {sent.waiting.map((text, at) => (
          // oxlint-disable-next-line react/no-array-index-key -- prompts leave at the front alone
          <div key={at} className="self-end rounded-lg border border-line px-3.5 py-2.5 text-muted">
            <PlainText value={text} multiline />
            <p className="mt-1 text-[13px]">{isBusy ? "Waits for this turn" : "Sent"}</p>
          </div>
        ))}
      </section>
      {transcript.plan && <PlanList plan={transcript.plan} />}
      {isOpen(session) ? (
        <Composer
          session={session}
          disabledReason={disabledReason}
          status={
            <>
              <SessionStatus status={session.status} />
              {isBusy && <Elapsed since={session.updated_at} />} {state !== "live" && states[state]}
              {session.detail !== null && (
                <span className="ml-2">
                  <PlainText value={session.detail} />
                </span>
              )}
            </>
          }
          onSend={(text) => {
            follow();
            return sent.add(text);
          }}
        />
      ) : (
        <div className="flex flex-wrap items-center justify-between gap-3 rounded-lg border border-line bg-surface px-4 py-3">
          <span>
            <SessionStatus status={session.status} />
            {session.detail !== null && (
              <span className="ml-2 text-muted">
                <PlainText value={session.detail} />
              </span>
            )}
          </span>
          <Link {...paths.agent(session.agent_id, { start: true })} className={buttonClass()}>
            New session
          </Link>
        </div>
      )}
    </div>
  );
}

/** How long the current state lasts. */
function Elapsed({ since }: { since: string }): ReactElement {
  const seconds = Math.max(0, Math.round((useNow() - Date.parse(since)) / 1000));
  const minutes = Math.floor(seconds / 60);
  return (
    <span className="ml-2 tabular-nums">
      {minutes > 0 && `${minutes} min `}
      {seconds % 60} s
    </span>
  );
}

/** Prompts sent from this page that the agent has not taken yet. */
function useSentPrompts(
  { prompts, cancellations }: Transcript,
  version: number,
): { waiting: readonly string[]; add: (text: string) => () => void } {
  const [sent, setSent] = useState<readonly SentPrompt[]>([]);
  const isWaiting = ({ text, after, canceled }: SentPrompt): boolean =>
    (prompts.get(text) ?? 0) <= after && cancellations <= canceled;
  useEffect(() => {
    setSent((before) => (before.every(isWaiting) ? before : before.filter(isWaiting)));
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- the transcript is mutated; `version` changes with it
  }, [version]);
  return {
    waiting: sent.filter(isWaiting).map(({ text }) => text),
    add: (text) => {
      const others = sent.filter((one) => one.text === text).length;
      const after = (prompts.get(text) ?? 0) + others;
      const one = { text, after, canceled: cancellations };
      setSent((before) => [...before, one]);
      return () => setSent((before) => before.filter((other) => other !== one));
    },
  };
}

interface SentPrompt {
  text: string;
  /** How many prompts of the same text came before it. */
  after: number;
  /** How many turns had been canceled. */
  canceled: number;
}

/**
 * Keeps the end of the page in view while it grows, if the viewer has not scrolled away.
 * @returns follows the end again
 */
function useFollowedEnd(version: number): () => void {
  const isNear = useRef(true);
  useEffect(() => {
    const look = (): void => {
      const { scrollHeight } = document.documentElement;
      isNear.current = scrollHeight - window.innerHeight - window.scrollY < nearEnd;
    };
    window.addEventListener("scroll", look, { passive: true });
    return () => window.removeEventListener("scroll", look);
  }, []);
  useLayoutEffect(() => {
    if (version > 0 && isNear.current)
      window.scrollTo({ top: document.documentElement.scrollHeight });
  }, [version]);
  return () => {
    isNear.current = true;
  };
}
