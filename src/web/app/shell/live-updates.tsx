import { type QueryClient, type QueryKey, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import type { OrganizationEvent } from "#shared/api/events.js";
import { agentsKey } from "../../api/queries/agents.js";
import { preloadedSince } from "../../api/preloaded-responses.js";
import { useCurrentOrganization } from "../../access/current-organization.js";
import { checkConnection, isConnectionLost, onConnectionChange } from "../../hooks/connection.js";
import { organizationsKey } from "../../api/queries/organizations.js";
import { beingDeleted, projectsKey } from "../../api/queries/projects.js";
import { workspacesKey } from "../../api/queries/workspaces.js";

/** Many changes at once are one look. */
const gatherMs = 300;

/** Also the pace of vain attempts, where the viewer may no longer listen. */
const reopenMs = 10_000;

/**
 * Keeps what is shown of the current organization fresh: hears of changes on one stream and has the
 * queries that show them read anew. Only while the page is seen: browsers allow few connections.
 */
export function LiveUpdates(): null {
  const queries = useQueryClient();
  const orgId = useCurrentOrganization().organization?.id;
  useEffect(
    () => (orgId === undefined ? undefined : hearWhileSeen(orgId, queries)),
    [orgId, queries],
  );
  return null;
}

function hearWhileSeen(orgId: string, queries: QueryClient): () => void {
  const waiting = new Map<string, QueryKey>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const refresh = (keys: readonly QueryKey[]): void => {
    for (const key of keys) waiting.set(JSON.stringify(key), key);
    timer ??= setTimeout(() => {
      timer = undefined;
      for (const queryKey of waiting.values()) {
        void queries.invalidateQueries({
          queryKey,
          predicate: (query) => !isFixed(query.queryKey),
          refetchType: "none",
        });
        void queries.refetchQueries({
          queryKey,
          type: "active",
          predicate: (query) => !isFixed(query.queryKey) && !isBeingDeleted(query.queryKey),
        });
      }
      waiting.clear();
    }, gatherMs);
  };

  let stream: EventSource | undefined;
  let reopening: ReturnType<typeof setTimeout> | undefined;
  const open = (): void => {
    if (document.visibilityState === "hidden" || stream) return;
    // All that is shown was read after the page began: whatever happened since then is told, or that it
    // was too much. A stream that is lost is taken up by the browser where it was left.
    const since = preloadedSince();
    const from = since === undefined ? "" : `?last_event_id=${since}`;
    stream = new EventSource(`/api/v1/organizations/${orgId}/events${from}`);
    // What happened between the reading of what is shown and this moment was not heard.
    if (since === undefined)
      stream.addEventListener("open", () => refresh(allKeys), { once: true });
    stream.addEventListener("change", ({ data }: MessageEvent<string>) => {
      refresh(keysOf(orgId, JSON.parse(data) as OrganizationEvent));
    });
    stream.addEventListener("reset", () => refresh(allKeys));
    // The browser reconnects by itself, unless a proxy has answered for a server that is away.
    stream.addEventListener("error", () => void checkConnection().then(reopen));
  };
  const reopen = (): void => {
    if (isConnectionLost() || stream?.readyState !== EventSource.CLOSED) return;
    stop();
    reopening ??= setTimeout(() => {
      reopening = undefined;
      open();
    }, reopenMs);
  };
  // A new stream begins with everything, which includes the changes that wait here.
  const stop = (): void => {
    stream?.close();
    stream = undefined;
    clearTimeout(timer);
    clearTimeout(reopening);
    timer = reopening = undefined;
    waiting.clear();
  };
  const handleVisibility = (): void => {
    if (document.visibilityState === "visible") {
      open();
      return;
    }
    stop();
  };
  open();
  const stopListening = onConnectionChange(reopen);
  document.addEventListener("visibilitychange", handleVisibility);
  return () => {
    stopListening();
    document.removeEventListener("visibilitychange", handleVisibility);
    stop();
  };
}

const allKeys: readonly QueryKey[] = [organizationsKey, projectsKey, agentsKey, workspacesKey];

/** Commits, their diffs and what conflicted in merges never change. */
const fixed: ReadonlySet<unknown> = new Set(["commit", "diff", "merge-conflicts"]);

function isFixed([kind, , what]: QueryKey): boolean {
  return kind === workspacesKey[0] && fixed.has(what);
}

/** What is shown of it is out of date all the same, for whoever comes back to it. */
function isBeingDeleted(key: QueryKey): boolean {
  return key[0] === projectsKey[0] && key.some((part) => beingDeleted.has(part));
}

/** The queries that show what an event is about. */
function keysOf(orgId: string, { type, id }: OrganizationEvent): readonly QueryKey[] {
  switch (type) {
    case "organization":
    case "member":
      return [organizationsKey];
    case "role":
    case "invitation":
    case "audit_event":
      return [[...organizationsKey, orgId]];
    case "project":
      return [projectsKey, organizationsKey];
    case "agent":
    case "run":
      return [agentsKey, organizationsKey];
    case "workspace":
    case "commit":
      return [[...workspacesKey, id], projectsKey, agentsKey];
    case "merge":
      // It moved a branch that other workspaces are compared with, too.
      return [workspacesKey, projectsKey, agentsKey];
    case "conflict":
      return [
        [...workspacesKey, id, "radar"],
        [...projectsKey, "radar"],
      ];
    // Of a server newer than this page.
    default:
      return [];
  }
}
