import { buffer } from "node:stream/consumers";
import { Readable } from "node:stream";
import { timingSafeEqual } from "node:crypto";
import { MAX_HOOK_BYTES } from "#shared/work/automation-choices.js";
import { isUuid } from "#shared/uuid.js";
import { limitHits } from "../../../../access/rate-limit.js";
import { newId } from "../../../../db/tables/columns.js";
import { AppError, notFound } from "../../../../errors.js";
import { Answer, noStore } from "../../../../http/answers/answer.js";
import { refuseUnstorable } from "../../../../http/answers/text.js";
import { rawRoutes, type RawRequest } from "../../../../http/raw-routes.js";
import type { Routes } from "../../../../http/register-routes.js";
import { isRunAddress } from "../../../../http/server/callback-listener.js";
import { findByAddress, type AutomationRow } from "../automations.queries.js";
import { findFiringOfEvent, insertFiring } from "../firings.queries.js";
import type { AutomationDeps } from "../firing/prepare.js";
import { hashToken, openSecret, type AddressDeps } from "./address.js";
import { messageIdOf, isSigned } from "./signature.js";

type HookDeps = AddressDeps & Pick<AutomationDeps, "db">;

/** Requests a minute that an address accepts. */
const PER_MINUTE = { hits: 60, seconds: 60 };
/** Requests a minute from one network address that find no automation. */
const MISSES = { hits: 30, seconds: 60 };
const BODY_MS = 10_000;

/** Serves the addresses of automations: `POST /hooks/automations/{id}/{token}` with a JSON body. */
export function hookRoutes(deps: HookDeps): Routes {
  return rawRoutes(
    [
      {
        method: "POST",
        path: "/hooks/automations/{id}/{token}",
        handle: (request) => takeMessage(deps, request),
      },
    ],
    { bodies: { "application/json": MAX_HOOK_BYTES, "*": MAX_HOOK_BYTES } },
  );
}

/**
 * Stores a message and answers: it fires the automation later, on the server of the project.
 * @throws AppError 401; 404; 409 `automation_paused`; 413; 415; 422; 429
 */
async function takeMessage(deps: HookDeps, request: RawRequest): Promise<Answer<object>> {
  const { db } = deps;
  if (isRunAddress(request.ip)) {
    throw new AppError("insufficient_permission", "A run cannot fire automations.");
  }
  const automation = await findCalled(deps, request);
  await limitHits(db, `automation ${automation.id}`, PER_MINUTE).catch(tooMany);
  const body = await readBody(request);
  if (automation.sealed_secret !== null) {
    const secret = openSecret(deps.secret, automation);
    if (secret === null || !isSigned(secret, request.headers, body, new Date())) {
      throw new AppError(
        "invalid_token",
        "The signature is missing, wrong or too old; sign the body with the automation's secret.",
      );
    }
  }
  if (automation.status !== "active") {
    throw new AppError("automation_paused", "The automation is paused; a member can resume it.");
  }
  const payload = parse(request, body);
  return store(deps, automation, payload, messageIdOf(request.headers));
}

async function store(
  { db }: HookDeps,
  { id, org_id, project_id }: AutomationRow,
  payload: unknown,
  messageId: string | null,
): Promise<Answer<object>> {
  const firingId = newId();
  const eventId = `webhook ${messageId ?? firingId}`;
  const known = await db.tenant(org_id, async (tx) => {
    const isNew = await insertFiring(tx, {
      id: firingId,
      org_id,
      project_id,
      automation_id: id,
      event_id: eventId,
      type: "webhook",
      event: { trust: "untrusted", by: null, values: { payload } },
    });
    return isNew ? undefined : findFiringOfEvent(tx, id, eventId);
  });
  const answer = { firing_id: known?.id ?? firingId, repeated: known !== undefined };
  return new Answer(answer, { status: 202, ...noStore });
}

/** Finds the automation of an address, in constant time for its token. @throws AppError 404; 429 */
async function findCalled(deps: HookDeps, { params, ip }: RawRequest): Promise<AutomationRow> {
  const { id = "", token = "" } = params;
  const found = isUuid(id.toLowerCase())
    ? await deps.db.withSystem("find the automation of an address", (tx) => findByAddress(tx, id))
    : undefined;
  const hash = hashToken(deps.verificationKey, token.slice(0, 200));
  if (found?.token_hash != null && timingSafeEqual(hash, found.token_hash)) return found;
  await limitHits(deps.db, `automation address ${ip}`, MISSES).catch(tooMany);
  throw notFound();
}

function tooMany(error: unknown): never {
  if (!(error instanceof AppError)) throw error;
  throw new AppError(error.code, "Too many requests; send it again later.", {
    headers: error.extra.headers ?? {},
  });
}

/** @throws AppError 408; 413 */
async function readBody({ body }: RawRequest): Promise<Buffer> {
  if (!(body instanceof Readable)) return Buffer.alloc(0);
  const late = setTimeout(() => {
    body.destroy(new AppError("request_timeout", "The body was sent too slowly; send it again."));
  }, BODY_MS).unref();
  try {
    return await buffer(body);
  } finally {
    clearTimeout(late);
  }
}

/** Reads JSON of a bounded depth. An empty body is null. @throws AppError 400; 415; 422 */
function parse({ headers }: RawRequest, body: Buffer): unknown {
  if (body.length === 0) return null;
  const type = (headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (type !== "application/json" && !type.endsWith("+json")) {
    throw new AppError("unsupported_media_type", "Send the body as application/json.");
  }
  const text = body.toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new AppError("malformed_json", "The body is not valid JSON.");
  }
  refuseUnstorable("body", value);
  return value;
}
