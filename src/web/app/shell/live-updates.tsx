import { type QueryClient, type QueryKey, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import type { OrganizationEvent } from "#shared/api/operation/events.js";
import { agentsKey } from "../../api/queries/work/agents.js";
import { preloadedSince } from "../../api/preloaded-responses.js";
import { useCurrentOrganization } from "../../access/current-organization.js";
import { checkConnection, isConnectionLost, onConnectionChange } from "../../hooks/connection.js";
import { organizationsKey } from "../../api/queries/organization/organizations.js";
import { overviewKey } from "../../api/queries/work/overview.js";
import { automationsKey } from "../../api/queries/work/automations.js";
import { openTasksKey, taskListsKey, tasksKey } from "../../api/queries/work/tasks.js";
import { beingDeleted, projectsKey } from "../../api/queries/code/projects.js";
import { workspacesKey } from "../../api/queries/code/workspaces.js";

/** Changes within this time are handled together; milliseconds. */
const batchMs = 300;

/** Time after which a refetch is no longer waited for; milliseconds. */
const longestRefetchMs = 5000;
const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Also the retry interval while the viewer may not listen; milliseconds. */
const reopenMs = 10_000;

/**
 * Keeps the current organization's data fresh: invalidates queries by the events of one stream.
 * Connected only while the page is visible, since browsers limit connections per host.
 */
export function LiveUpdates(): null {
  const queries = useQueryClient();
  const orgId = useCurrentOrganization().organization?.id;
  useEffect(
    () => (orgId === undefined ? undefined : listenWhileVisible(orgId, queries)),
    [orgId, queries],
  );
  return null;
}

function listenWhileVisible(orgId: string, queries: QueryClient): () => void {
  const waiting = new Map<string, QueryKey>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** A refetch ends before the next one begins, which would cancel it: events may come all the time. */
  let refetching: Promise<unknown> = Promise.resolve();
  const refresh = (keys: readonly QueryKey[]): void => {
    for (const key of keys) waiting.set(JSON.stringify(key), key);
    timer ??= setTimeout(() => void refetching.then(refetch), batchMs);
  };
  const refetch = (): void => {
    timer = undefined;
    const refetches: Promise<unknown>[] = [];
    for (const queryKey of waiting.values()) {
      void queries.invalidateQueries({
        queryKey,
        predicate: (query) => !isFixed(query.queryKey),
        refetchType: "none",
      });
      const refetched = queries.refetchQueries({
        queryKey,
        type: "active",
        predicate: (query) => !isFixed(query.queryKey) && !isBeingDeleted(query.queryKey),
      });
      refetches.push(refetched);
    }
    waiting.clear();
    refetching = Promise.race([Promise.allSettled(refetches), delay(longestRefetchMs)]);
  };

  let stream: EventSource | undefined;
  let reopening: ReturnType<typeof setTimeout> | undefined;
  const open = (): void => {
    if (document.visibilityState === "hidden" || stream) return;
    // All data was read after the page began, so the stream replays each event since then, or reports
    // that there were too many. The browser resumes a lost stream by its last event id.
    const since = preloadedSince();
    const from = since === undefined ? "" : `?last_event_id=${since}`;
    stream = new EventSource(`/api/v1/organizations/${orgId}/events${from}`);
    // Events between the first reads and this moment were missed.
    if (since === undefined)
      stream.addEventListener("open", () => refresh(allKeys), { once: true });
    stream.addEventListener("change", ({ data }: MessageEvent<string>) => {
      refresh(keysOf(orgId, JSON.parse(data) as OrganizationEvent));
    });
    stream.addEventListener("reset", () => refresh(allKeys));
    // The browser reconnects automatically, unless a proxy answered for an unreachable server.
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
  // A new stream begins with a full refresh, which includes the pending changes.
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

const allKeys: readonly QueryKey[] = [
  organizationsKey,
  projectsKey,
  agentsKey,
  workspacesKey,
  tasksKey,
  automationsKey,
];

/** Commits, their diffs and the conflicts of merges never change. */
const fixed: ReadonlySet<unknown> = new Set(["commit", "diff", "merge-conflicts"]);

function isFixed([kind, , what]: QueryKey): boolean {
  return kind === workspacesKey[0] && fixed.has(what);
}

/** The data is stale nevertheless, for a viewer who returns to the page. */
function isBeingDeleted(key: QueryKey): boolean {
  return key[0] === projectsKey[0] && key.some((part) => beingDeleted.has(part));
}

/** Returns the keys of the queries that an event affects. */
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
    case "automation":
      return [automationsKey];
    case "task":
    case "review":
    case "thread":
      return [taskListsKey, [...openTasksKey, id], overviewKey(orgId)];
    case "agent":
    case "run":
      // It may be of a check that an automation runs.
      return [agentsKey, organizationsKey, openTasksKey, automationsKey];
    case "session":
      return [agentsKey, overviewKey(orgId), openTasksKey];
    case "workspace":
    case "commit":
      return [[...workspacesKey, id], projectsKey, agentsKey, openTasksKey];
    case "merge":
      // The event moved a branch that other workspaces are compared with.
      return [workspacesKey, projectsKey, agentsKey, overviewKey(orgId), openTasksKey];
    case "merge_request":
      return [projectsKey, overviewKey(orgId), openTasksKey, automationsKey];
    case "conflict":
      return [
        [...workspacesKey, id, "radar"],
        [...projectsKey, "radar"],
        [...agentsKey, "work"],
        overviewKey(orgId),
      ];
    case "secret":
      return [
        [...organizationsKey, id, "secrets"],
        [...projectsKey, id, "secrets"],
      ];
    // Sent by a newer server than this page.
    default:
      return [];
  }
}
