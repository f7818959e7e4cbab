import { AppError, notFound } from "../../../errors.js";
import type { Database } from "../../../db/connection/connect.js";
import { decrypt, encrypt, purposes } from "../../../encrypt.js";
import { ForgeError, type Forge } from "./forge.js";
import * as queries from "./forges.queries.js";
import type { ForgeRow } from "./forges.queries.js";
import type { ForgeCredential, ForgeOpener } from "./open-forge.js";

export interface ForgeDeps {
  db: Database;
  /** The installation's secret, which encrypts credentials. */
  secret: string;
  clients: ForgeClients;
}

/** Runs work with the client of a connection, and records how the forge answers. */
export interface ForgeClients {
  readonly opener: ForgeOpener;
  /** @throws AppError 404; ForgeError */
  use<Result>(
    orgId: string,
    forgeId: string,
    work: (forge: Forge) => Promise<Result>,
  ): Promise<Result>;
}

const MAX_OPEN = 200;

export function createForgeClients(
  db: Database,
  secret: string,
  opener: ForgeOpener,
): ForgeClients {
  // A client keeps answers and the time of its last requests. Another credential needs another client.
  const open = new Map<string, { version: string; forge: Promise<Forge> }>();
  const clientOf = (row: ForgeRow): Promise<Forge> => {
    const known = open.get(row.id);
    open.delete(row.id);
    const fresh = known?.version === row.updated_at ? known : undefined;
    const entry = fresh ?? {
      version: row.updated_at,
      forge: opener.open(row, decryptCredential(secret, row)),
    };
    open.set(row.id, entry);
    const [oldest] = open.keys();
    if (open.size > MAX_OPEN && oldest !== undefined) open.delete(oldest);
    return entry.forge;
  };
  return {
    opener,
    use: async (orgId, forgeId, work) => {
      const row = await db.tenant(orgId, (tx) => queries.findForgeRow(tx, forgeId));
      if (!row) throw notFound();
      try {
        const result = await work(await clientOf(row));
        if (row.status !== "ok" || row.retry_at !== null) {
          await db.tenant(orgId, (tx) =>
            queries.setStatus(tx, row, { status: "ok", status_reason: null, retry_at: null }),
          );
        }
        return result;
      } catch (error) {
        const status = error instanceof ForgeError ? statusOf(error) : null;
        if (status !== null) await db.tenant(orgId, (tx) => queries.setStatus(tx, row, status));
        throw error;
      }
    },
  };
}

/** Returns what an error says about the connection; null if it is about one repository or request. */
function statusOf({ failure, message, retryAfterSeconds }: ForgeError) {
  if (failure === "not_found" || failure === "refused") return null;
  const retry_at =
    retryAfterSeconds === null
      ? null
      : new Date(Date.now() + retryAfterSeconds * 1000).toISOString();
  const status = failure === "limited" ? ("unreachable" as const) : failure;
  return { status, status_reason: message, retry_at };
}

/** Makes the errors of a forge errors of the API. @throws AppError 422 */
export async function withForgeErrors<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof ForgeError ? appErrorOf(error) : error;
  }
}

function appErrorOf({ failure, message }: ForgeError): AppError {
  if (failure === "unreachable" || failure === "limited") {
    return new AppError("forge_unreachable", message);
  }
  if (failure === "unauthorized" || failure === "suspended") {
    return new AppError("forge_unauthorized", message);
  }
  return new AppError("forge_refused", message);
}

export function encryptCredential(secret: string, id: string, credential: ForgeCredential): Buffer {
  return encrypt(secret, purposes.forgeCredential, id, Buffer.from(JSON.stringify(credential)));
}

/** @throws AppError when it was encrypted with another secret */
export function decryptCredential(
  secret: string,
  { id, sealed }: Pick<ForgeRow, "id" | "sealed">,
): ForgeCredential {
  const opened = decrypt(secret, purposes.forgeCredential, id, sealed);
  if (opened === null) {
    throw new AppError(
      "unavailable",
      "The credential was encrypted with another OMOI_SECRET; set it again.",
    );
  }
  return JSON.parse(opened.toString()) as ForgeCredential;
}
