/** Takes events of forges: checks their signature, and stores what they name. Jobs work on it later. */
import { Readable } from "node:stream";
import { fairSlots } from "#shared/node/fair-slots.js";
import { callerNetwork } from "#shared/node/networks.js";
import { isUuid } from "#shared/uuid.js";
import { requireNoMaintenance } from "../../../../access/maintenance.js";
import { limitHits } from "../../../../access/rate-limit.js";
import type { Database, Queryable } from "../../../../db/connection/connect.js";
import { newId } from "../../../../db/tables/columns.js";
import { AppError, notFound } from "../../../../errors.js";
import { Answer } from "../../../../http/answers/answer.js";
import { rawRoutes, type RawRequest } from "../../../../http/raw-routes.js";
import type { Routes } from "../../../../http/register-routes.js";
import { withUploadTimeout } from "../../../../http/server/upload-timeout.js";
import type { IncomingEvent } from "../client/incoming-event.js";
import { incomingOf } from "../incoming/incoming.js";
import { openWebhookSecret } from "../webhook-secret.js";
import * as queries from "./deliveries.queries.js";

const MAX_BYTES = 25 * 1024 * 1024;
/** Larger events are read a few at a time: each is in memory until its signature is checked. */
const LARGE_BYTES = 1024 * 1024;
const LARGE_SLOTS = { slots: 4, perOwner: 2 };
/** Events with a wrong signature from one network. */
const WRONG = { hits: 60, seconds: 60 };
/** Characters of names that are stored. */
const MAX_TEXT = 300;

interface ReceiverDeps {
  db: Database;
  secret: string;
}

/** Serves `POST /hooks/forges/{forge_id}`. */
export function eventRoutes(deps: ReceiverDeps): Routes {
  const large = fairSlots(LARGE_SLOTS);
  return rawRoutes(
    [
      {
        method: "POST",
        path: "/hooks/forges/{forge_id}",
        handle: async (request) => {
          const forgeId = request.params["forge_id"] ?? "";
          const length = Number(request.headers["content-length"] ?? Infinity);
          const free = length > LARGE_BYTES ? await large.take(forgeId) : null;
          try {
            return await receiveEvent(deps, request, forgeId);
          } finally {
            free?.();
          }
        },
      },
    ],
    { bodies: { "application/json": MAX_BYTES } },
  );
}

/**
 * Stores an event once. It is answered before it is worked on.
 * @throws AppError 400; 401 `wrong_signature`; 404; 413; 429
 */
async function receiveEvent(
  { db, secret }: ReceiverDeps,
  request: RawRequest,
  forgeId: string,
): Promise<Answer<unknown>> {
  const forge = isUuid(forgeId)
    ? await db.withSystem("find the forge of an event", (tx) => queries.findReceiver(tx, forgeId))
    : undefined;
  if (!forge) throw notFound();
  const body = await readBody(request);
  const headers = request.headers as Record<string, string | undefined>;
  const own = openWebhookSecret(secret, forge);
  const { verify, read } = incomingOf(forge.kind);
  if (own === null || !verify(own, headers, body)) {
    await limitHits(db, `forge events ${callerNetwork(request.ip)}`, WRONG);
    throw new AppError(
      "wrong_signature",
      "The event has no signature, or one of another secret; enter the connection's secret there.",
    );
  }
  await requireNoMaintenance(db);
  const event = parse(() => read(headers, body));
  if (event !== null) {
    await db.tenant(forge.org_id, (tx) => storeEvent(tx, forge, event));
  }
  return new Answer({ received: event !== null }, { status: 200 });
}

/** Stores what an event names for each project that is linked to its repository. */
async function storeEvent(
  tx: Queryable,
  forge: { id: string; org_id: string; archived: boolean },
  event: IncomingEvent,
): Promise<void> {
  const delivery_id = cut(event.delivery_id);
  if (await queries.isKnown(tx, forge.id, delivery_id)) return;
  const { repository, subject } = event;
  const linked = repository === null ? [] : await queries.linkedProjects(tx, forge.id, repository);
  const row = {
    org_id: forge.org_id,
    forge_id: forge.id,
    delivery_id,
    source: "webhook" as const,
    event: cut(event.name),
    repository: repository === null ? null : cut(repository),
    subject,
    number: subject !== null && "number" in subject ? subject.number : null,
    login: event.login === null ? null : cut(event.login),
    is_bot: event.is_bot,
  };
  const reason = forge.archived
    ? "The organization is archived."
    : repository === null
      ? "The event belongs to no repository."
      : linked.length === 0
        ? "No project is linked to the repository by this connection."
        : subject === null
          ? "Nothing follows from this kind of event."
          : null;
  const ignored = { status: "ignored" as const, decision: "ignored" as const, reason };
  const projectIds = linked.length === 0 ? [null] : linked;
  await queries.insertDeliveries(
    tx,
    projectIds.map((project_id) => ({
      ...row,
      id: newId(),
      project_id,
      ...(reason === null
        ? { status: "pending" as const }
        : { ...ignored, finished_at: new Date().toISOString() }),
    })),
  );
  await queries.touchForge(tx, forge.id);
}

// NUL cannot be stored.
const cut = (text: string): string => text.replaceAll("\u0000", "").slice(0, MAX_TEXT);

async function readBody(request: RawRequest): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const { chunks: received } = withUploadTimeout(
    request.raw,
    (request.body ?? Readable.from([])) as Readable,
  );
  for await (const chunk of received) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** @throws AppError 400 `malformed_json` */
function parse(read: () => IncomingEvent | null): IncomingEvent | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new AppError("malformed_json", "The event is not valid JSON; let the forge send JSON.");
    }
    throw error;
  }
}
