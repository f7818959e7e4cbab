import { randomBytes } from "node:crypto";
import { PassThrough, type Readable } from "node:stream";
import {
  eventTypes,
  type EventType,
  type OrganizationEvent,
  type RecordedEvent,
} from "#shared/api/operation/events.js";
import { permissionOfEvent, type EventName } from "#shared/operation/event-types.js";
import type { Permission } from "#shared/permissions.js";
import type { ChangeFeed, RowChange } from "../../../db/cache/changes.js";
import { AppError } from "../../../errors.js";

/** A subscriber. Its permissions are checked again for each event, so that revocations take effect. */
export interface Listener {
  orgId: string;
  /** Identifies the caller for the limit of streams per caller. */
  caller: string;
  /** Tells which permissions the caller has; null when the credential or membership is gone. */
  allowed: () => Promise<((permission: Permission) => boolean) | null>;
  /** Whether an event concerns the stream, asked after `allowed`; all do by default. */
  concerns?: (event: OrganizationEvent | RecordedEvent) => boolean;
  /** `Last-Event-ID` of a resumed stream, or the position from which a page continues. */
  lastEventId: string | null;
}

export interface EventStreams {
  /** @throws AppError 429 when the caller has too many open streams */
  open(listener: Listener): Readable;
  /** Number of open streams. */
  count(): number;
  /** The id of the newest event. A stream resumed from it misses no later event. */
  position(): string;
  /** Ends all streams; clients reconnect. */
  close(): void;
}

const typeOfTable: Record<string, EventType> = {
  organizations: "organization",
  roles: "role",
  memberships: "member",
  invitations: "invitation",
  projects: "project",
  pending_pushes: "project",
  upstreams: "project",
  upstream_credentials: "project",
  tasks: "task",
  automations: "automation",
  automation_firings: "automation",
  reviews: "review",
  review_threads: "thread",
  opinions: "review",
  agents: "agent",
  runs: "run",
  agent_sessions: "session",
  workspaces: "workspace",
  workspace_commits: "commit",
  merges: "merge",
  merges_under_way: "workspace",
  merge_requests: "merge_request",
  commit_checks: "merge_request",
  checks: "project",
  protection_changes: "project",
  environments: "project",
  environment_builds: "project",
  secrets: "secret",
  radar_conflicts: "conflict",
  audit_events: "audit_event",
};

/** Number of events kept for resuming streams. */
const MAX_EVENTS = 2000;
const streamsOfCaller = 20;
const aliveMs = 15_000;
/** A client with this many unread bytes is disconnected. */
const MAX_UNREAD_BYTES = 256 * 1024;

/** An event of a stream: a changed resource, or an event that webhooks get as well. */
interface StreamEvent {
  orgId: string;
  name: "change" | "event";
  permission: Permission;
  data: OrganizationEvent | RecordedEvent;
}

interface NumberedEvent extends StreamEvent {
  number: number;
}

interface OpenStream {
  orgId: string;
  caller: string;
  output: PassThrough;
  audit: (event: NumberedEvent | null) => void;
}

/** Server-Sent Events (WHATWG HTML, section 9.2) fed by the changes of all server processes. */
export function createEventStreams(changes: ChangeFeed): EventStreams {
  // Event numbers are local to this process: a stream resumed from another process starts with a reset.
  const process = randomBytes(6).toString("hex");
  let number = 0;
  /** The number before the first one that is kept or was received. */
  let since = 0;
  const kept: NumberedEvent[] = [];
  const open = new Set<OpenStream>();

  const unsubscribe = changes.subscribe((change) => {
    const event = change && eventOf(change);
    if (change && !event) return;
    number += 1;
    if (event) {
      const numbered = { ...event, number };
      kept.push(numbered);
      if (kept.length > MAX_EVENTS) since = kept.shift()?.number ?? since;
      for (const stream of open) if (stream.orgId === event.orgId) stream.audit(numbered);
    } else {
      kept.length = 0;
      since = number;
      for (const stream of open) stream.audit(null);
    }
  });

  const position = (): string => `${process}-${number}`;
  return {
    position,
    count: () => open.size,
    open: ({ orgId, caller, allowed, concerns, lastEventId }) => {
      if ([...open].filter((stream) => stream.caller === caller).length >= streamsOfCaller) {
        throw new AppError(
          "rate_limited",
          `At most ${streamsOfCaller} event streams at once; close another one first.`,
          { headers: { "retry-after": "5" } },
        );
      }
      const output = new PassThrough();
      // Writes are serialized in the order of the changes.
      let writing = Promise.resolve();
      const write = (textFor: (sees: (permission: Permission) => boolean) => string): void => {
        writing = writing
          .then(async () => {
            const sees = await allowed();
            if (!sees || output.writableLength > MAX_UNREAD_BYTES) output.end();
            else if (!output.writableEnded) output.write(textFor(sees));
          })
          .catch(() => {
            output.end();
          });
      };
      const audit = (event: NumberedEvent | null): void =>
        write((sees) => {
          if (event === null) return `event: reset\nid: ${position()}\ndata: null\n\n`;
          const { name, permission, data } = event;
          if (!sees(permission) || concerns?.(data) === false) return "";
          return `event: ${name}\nid: ${process}-${event.number}\ndata: ${JSON.stringify(data)}\n\n`;
        });

      const stream: OpenStream = { orgId, caller, output, audit };
      open.add(stream);
      // Keeps proxies from closing the connection, and detects revoked permissions.
      const alive = setInterval(() => write(() => ":\n\n"), aliveMs);
      alive.unref();
      output.once("close", () => {
        clearInterval(alive);
        open.delete(stream);
      });
      // Sent immediately, so that the client knows its position.
      output.write(`retry: 2000\nid: ${position()}\n\n`);
      const from = positionOf(lastEventId, process);
      if (lastEventId !== null && (from === null || from < since)) audit(null);
      else if (from !== null) {
        for (const event of kept) if (event.orgId === orgId && event.number > from) audit(event);
      }
      return output;
    },
    close: () => {
      unsubscribe();
      for (const { output } of open) output.end();
    },
  };
}

function positionOf(lastEventId: string | null, process: string): number | null {
  const [, of, number] = /^([0-9a-f]{12})-(\d{1,15})$/.exec(lastEventId ?? "") ?? [];
  return of === process ? Number(number) : null;
}

function eventOf({ table, orgId, id, rest = [] }: RowChange): StreamEvent | null {
  if (orgId === null) return null;
  const [type, subject_id] = rest;
  if (table === "events" && id !== null && type !== undefined && subject_id !== undefined) {
    const permission = permissionOfEvent(type as EventName);
    return { orgId, name: "event", permission, data: { id, type: type as EventName, subject_id } };
  }
  const changed = typeOfTable[table];
  if (changed === undefined) return null;
  return { orgId, name: "change", permission: eventTypes[changed], data: { type: changed, id } };
}
