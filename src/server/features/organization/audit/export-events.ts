import { Readable } from "node:stream";
import type { AuditEvent, ExportedAuditEvent } from "#shared/api/organization/audit.js";
import { authenticate, type Credentials } from "../../../access/authenticate.js";
import { allows } from "../../../access/access.js";
import { resolveAccess } from "../../../access/authorize.js";
import type { Database } from "../../../db/connection/connect.js";
import { AppError } from "../../../errors.js";
import { Content } from "../../../http/answers/answer.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { type EventFilter, readHead, readPart } from "./audit.queries.js";
import { redactDeleted } from "./redact.js";

/** Events of a chain that one transaction reads. */
const partSize = 500;

/** Open exports per caller, per organization and in this process. Each holds one part in memory, also for a slow reader. */
const most = { caller: 4, organization: 16, all: 64 };

interface ExportDeps {
  db: Database;
  credentials: Credentials;
  publicUrl: () => string;
}

export interface EventExports {
  /**
   * Streams the events up to the present one as lines of JSON, oldest first, at the reader's speed. Each part is read
   * in a transaction of its own, so that a slow reader holds no connection. If the caller loses access, the response
   * breaks off.
   * @throws AppError 429, 503 when too many exports are open
   */
  open(context: OrgContext, filter: EventFilter): Promise<Content<"application/x-ndjson">>;
  /** Breaks off all exports. */
  end(): void;
}

export function createEventExports(deps: ExportDeps): EventExports {
  /** Callers by open stream. */
  const open = new Map<Readable, ExportCaller>();
  async function* parts(
    context: OrgContext,
    filter: EventFilter,
    last: number,
    isOpen: () => boolean,
  ): AsyncGenerator<string> {
    for (let after = 0; after < last && isOpen(); after += partSize) {
      if (after > 0 && !(await mayRead(deps, context))) {
        throw new Error("the reader of an audit export has lost access");
      }
      const upTo = Math.min(after + partSize, last);
      const lines = await readLines(context, filter, { after, upTo });
      if (lines !== "") yield lines;
    }
  }
  return {
    open: async (context, filter) => {
      const { actor, orgId, request, tx } = context;
      const { slug, last } = await tx((db) => readHead(db, orgId));
      const day = new Date().toISOString().slice(0, 10);
      const head = {
        headers: {
          "cache-control": "no-store",
          "content-disposition": `attachment; filename="audit-${slug}-${day}.ndjson"`,
        },
      };
      if (request.method === "HEAD") return new Content("application/x-ndjson", null, head);
      const caller = { id: actor.agent?.id ?? actor.userId, orgId };
      requireSlot([...open.values()], caller);
      const stream: Readable = Readable.from(
        parts(context, filter, last, () => open.has(stream)),
        { objectMode: false },
      );
      open.set(stream, caller);
      stream.once("close", () => open.delete(stream));
      return new Content("application/x-ndjson", stream, head);
    },
    end: () => {
      for (const stream of open.keys()) stream.destroy();
    },
  };
}

interface ExportCaller {
  /** The user or agent. */
  id: string;
  orgId: string;
}

function requireSlot(callers: readonly ExportCaller[], { id, orgId }: ExportCaller): void {
  const headers = { "retry-after": "5" };
  if (callers.filter((caller) => caller.id === id).length >= most.caller) {
    const detail = `At most ${most.caller} downloads of audit logs at once; finish another one first.`;
    throw new AppError("rate_limited", detail, { headers });
  }
  if (callers.filter((caller) => caller.orgId === orgId).length >= most.organization) {
    const detail = `At most ${most.organization} downloads of an organization's audit log at once; try again in a moment.`;
    throw new AppError("rate_limited", detail, { headers });
  }
  if (callers.length >= most.all) {
    const detail = "Too many downloads of audit logs are open; try again in a moment.";
    throw new AppError("unavailable", detail, { headers });
  }
}

async function readLines(
  { tx, orgId }: OrgContext,
  filter: EventFilter,
  part: { after: number; upTo: number },
): Promise<string> {
  const { stored, shown } = await tx(async (db) => {
    const events = await readPart(db, orgId, filter, part);
    return { stored: events, shown: await redactDeleted(db, orgId, events) };
  });
  return shown
    .map((event, index) =>
      lineOf({ ...event, organization_id: orgId, redacted: isChanged(event, stored[index]) }),
    )
    .join("");
}

function isChanged(shown: AuditEvent, stored: AuditEvent | undefined): boolean {
  return JSON.stringify(shown) !== JSON.stringify(stored);
}

/** Line separators other than LF; a reader may split lines at them, and JSON allows their escapes. */
const separators = /[\u0085\u2028\u2029]/g;

function lineOf(event: ExportedAuditEvent): string {
  const json = JSON.stringify(event);
  const escaped = json.replaceAll(
    separators,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `${escaped}\n`;
}

async function mayRead(
  { db, credentials, publicUrl }: ExportDeps,
  { request, orgId }: OrgContext,
): Promise<boolean> {
  const actor = await authenticate(request, credentials, publicUrl).catch(() => null);
  const access = actor && (await resolveAccess(db, actor, "org_id", orgId));
  return access !== null && allows(access, "org:audit:read");
}
