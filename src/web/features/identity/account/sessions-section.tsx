import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { Session } from "#shared/api/identity/auth.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { client } from "../../../api/client.js";
import { Badge } from "../../../ui/feedback/badge.js";
import { Button } from "../../../ui/actions/button.js";
import { countOf } from "../../../ui/text/number.js";
import { PlainText, visible } from "../../../ui/text/plain-text.js";
import { Time } from "../../../ui/text/time.js";
import { ResourceCard } from "../../../components/resource-card.js";
import { deviceOf } from "./device.js";
import { sessionsQuery } from "../../../api/queries/identity/account.js";
import { ConfirmButton } from "../../../components/confirmations.js";

/** Lists the user's sessions and ends them. */
export function SessionsSection(): ReactElement {
  const sessions = useQuery(sessionsQuery);
  const others = sessions.data?.filter(({ current }) => !current).length ?? 0;
  return (
    <ResourceCard
      title="Active sessions"
      actions={<EndOthersButton others={others} />}
      query={sessions}
      rows={2}
    >
      {(data) => (
        <ul aria-label="Sessions" className="-my-4 divide-y divide-line">
          {/* This device first, then by last use. */}
          {data
            .toSorted(
              (a, b) =>
                Number(b.current) - Number(a.current) ||
                b.last_used_at.localeCompare(a.last_used_at),
            )
            .map((session) => (
              <SessionItem key={session.id} session={session} />
            ))}
        </ul>
      )}
    </ResourceCard>
  );
}

function SessionItem({ session }: { session: Session }): ReactElement {
  const device = deviceOf(session.user_agent);
  const end = useApiMutation({
    run: () => client.auth.endSession({ params: { session_id: session.id } }),
    refresh: [sessionsQuery.queryKey],
    successMessage: () => `Signed out of ${visible(device)}`,
    toastErrors: true,
  });
  return (
    <li className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2 py-3">
      <div className="min-w-0">
        <p className="flex flex-wrap items-center gap-2 font-medium">
          <span title={session.user_agent ?? undefined}>
            <PlainText value={device} />
          </span>
          {session.current && <Badge tone="good">This device</Badge>}
        </p>
        <p className="text-[13px] text-muted">
          {session.ip !== null && <>From {session.ip} · </>}
          {session.current ? "Signed in " : "Last used "}
          <Time value={session.current ? session.created_at : session.last_used_at} />
        </p>
      </div>
      {!session.current && (
        <Button
          size="sm"
          pending={end.pending}
          aria-label={`Sign out of ${visible(device)}`}
          onClick={() => end.submit(undefined)}
        >
          Sign out
        </Button>
      )}
    </li>
  );
}

function EndOthersButton({ others }: { others: number }): ReactElement {
  return (
    <ConfirmButton
      size="sm"
      label="Sign out everywhere else"
      disabledReason={others === 0 ? "You are signed in nowhere else." : undefined}
      title="Sign out everywhere else?"
      action="Sign out"
      mutation={{
        run: () => client.auth.endOtherSessions(),
        refresh: [sessionsQuery.queryKey],
        successMessage: () => "Signed out everywhere else",
      }}
    >
      {countOf(others, "other session")} {others === 1 ? "ends" : "end"} at once. You stay signed in
      here.
    </ConfirmButton>
  );
}
