import { Link } from "@tanstack/react-router";
import { type ReactElement, useMemo, useState } from "react";
import type { Session } from "#shared/api/work/sessions.js";
import { useNow } from "../../../../hooks/use-now.js";
import { paths } from "../../../../paths/paths.js";
import { buttonClass } from "../../../../ui/actions/button.js";
import { countOf } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { Composer } from "./composer.js";
import { SessionHead } from "./session-head.js";
import { isBusy, isOpen, SessionStatus } from "./session-status.js";
import { textOf } from "./transcript/entries.js";
import { connectionText } from "./transcript/connection-text.js";
import { TranscriptView } from "./transcript/transcript-view.js";
import { useTranscript } from "./transcript/use-transcript.js";
import { useFollowedEnd } from "./use-followed-end.js";
import { useSentPrompts } from "./use-sent-prompts.js";

interface ConversationProps {
  session: Session;
  /** Why the viewer may not write to the agent. */
  disabledReason: string | undefined;
}

/** A session: its transcript, live, and the field for the next prompt. Must remount for another session. */
export function Conversation({ session, disabledReason }: ConversationProps): ReactElement {
  const followed = useTranscript(session.id);
  const { value: transcript, state, version } = followed;
  const [search, setSearch] = useState("");
  const sent = useSentPrompts(transcript, version);
  const wanted = search.trim().toLowerCase();
  const found = useMemo(
    () =>
      wanted === ""
        ? transcript.entries
        : transcript.entries.filter((entry) => textOf(entry).toLowerCase().includes(wanted)),
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- the array of entries is mutated; `version` changes with it
    [transcript, wanted, version],
  );
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
      <TranscriptView
        session={session}
        followed={followed}
        found={found}
        waiting={sent.waiting}
        emptyText={wanted === "" ? "Nothing yet. Write the first prompt below." : "Nothing found."}
        disabledReason={disabledReason}
      />
      {isOpen(session) ? (
        <Composer
          session={session}
          disabledReason={disabledReason}
          status={
            <>
              <SessionStatus status={session.status} />
              {isBusy(session) && <Elapsed since={session.updated_at} />} {connectionText(state)}
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
