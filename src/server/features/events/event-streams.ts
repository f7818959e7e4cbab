import { randomBytes } from "node:crypto";
import { PassThrough, type Readable } from "node:stream";
import type { EventType, OrganizationEvent } from "#shared/api/events.js";
import type { ChangeFeed, RowChange } from "../../db/cache/changes.js";
import { AppError } from "../../errors.js";

/** Who listens: asked again for each event, so that whoever loses a permission hears no more. */
export interface Listener {
  orgId: string;
  /** Tells streams of one caller apart from those of others. */
  caller: string;
  /** What the caller may see now; null where the credential or the membership is gone. */
  allowed: () => Promise<((type: EventType) => boolean) | null>;
  /** `Last-Event-ID` of a stream that is taken up again, or that goes on after what a page was told. */
  lastEventId: string | null;
}

export interface EventStreams {
  /** @throws AppError 429 where the caller has too many open */
  open(listener: Listener): Readable;
  /** How many streams are open. */
  count(): number;
  /** The id of the newest event: a stream that goes on after it misses nothing from now on. */
  position(): string;
  /** Ends all streams; clients come back by themselves. */
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
  agents: "agent",
  runs: "run",
  workspaces: "workspace",
  workspace_commits: "commit",
  merges: "merge",
  merges_under_way: "workspace",
  radar_conflicts: "conflict",
  audit_events: "audit_event",
};

/** How many events are kept for those who come back. */
const keptEvents = 1000;
const streamsOfCaller = 20;
const aliveMs = 15_000;
/** A client that lets so many bytes wait does not read. */
const maxWaiting = 256 * 1024;

interface Numbered extends OrganizationEvent {
  orgId: string;
  number: number;
}

interface OpenStream {
  orgId: string;
  caller: string;
  output: PassThrough;
  audit: (event: Numbered | null) => void;
}

/** Streams of Server-Sent Events (WHATWG HTML, section 9.2), fed by what any server process changes. */
export function createEventStreams(changes: ChangeFeed): EventStreams {
  // Numbers are this process's own: one that comes back from another process starts anew.
  const process = randomBytes(6).toString("hex");
  let number = 0;
  /** The number before the first that is kept, or that was heard. */
  let since = 0;
  const kept: Numbered[] = [];
  const open = new Set<OpenStream>();

  const unsubscribe = changes.subscribe((change) => {
    const event = change && eventOf(change);
    if (change && !event) return;
    number += 1;
    if (event) {
      const numbered = { ...event, number };
      kept.push(numbered);
      if (kept.length > keptEvents) since = kept.shift()?.number ?? since;
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
    open: ({ orgId, caller, allowed, lastEventId }) => {
      if ([...open].filter((stream) => stream.caller === caller).length >= streamsOfCaller) {
        throw new AppError(
          "rate_limited",
          `At most ${streamsOfCaller} event streams at once; close one of the others.`,
          { headers: { "retry-after": "5" } },
        );
      }
      const output = new PassThrough();
      // One after the other, in the order of the changes.
      let writing = Promise.resolve();
      const write = (textFor: (sees: (type: EventType) => boolean) => string): void => {
        writing = writing
          .then(async () => {
            const sees = await allowed();
            if (!sees || output.writableLength > maxWaiting) output.end();
            else if (!output.writableEnded) output.write(textFor(sees));
          })
          .catch(() => {
            output.end();
          });
      };
      const audit = (event: Numbered | null): void =>
        write((sees) => {
          if (event === null) return `event: reset\nid: ${position()}\ndata: null\n\n`;
          const { type, id } = event;
          if (!sees(type)) return "";
          return `event: change\nid: ${process}-${event.number}\ndata: ${JSON.stringify({ type, id })}\n\n`;
        });

      const stream: OpenStream = { orgId, caller, output, audit };
      open.add(stream);
      // Keeps proxies from closing it, and notices a caller who may not listen any more.
      const alive = setInterval(() => write(() => ":\n\n"), aliveMs);
      alive.unref();
      output.once("close", () => {
        clearInterval(alive);
        open.delete(stream);
      });
      // Sent at once, so that the client knows that it listens, and from where.
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

function eventOf({ table, orgId, id }: RowChange): (OrganizationEvent & { orgId: string }) | null {
  const type = typeOfTable[table];
  return type === undefined || orgId === null ? null : { orgId, type, id };
}
