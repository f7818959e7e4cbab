/** Startup connection checks, and error messages that name the cure. */
import { once } from "node:events";
import { randomUUID } from "node:crypto";
import type pg from "pg";
import { ConfigError } from "#shared/node/config-error.js";
import { DatabaseClient, type ServerConfig } from "../hosts/database-client.js";
import { NoPrimaryError } from "../hosts/database-hosts.js";

const CONNECT_TIMEOUT_MS = 5000;
/** A notification arrives immediately, or never when a pooler drops it. */
const NOTIFICATION_TIMEOUT_MS = 3000;

/**
 * Connects.
 * @param variable the setting that holds the address
 * @throws ConfigError with the driver's error as its cause
 */
export async function connectOrExplain(config: ServerConfig, variable: string): Promise<pg.Client> {
  const client = new DatabaseClient({ connectionTimeoutMillis: CONNECT_TIMEOUT_MS, ...config });
  // When a connection breaks between two queries, the next query fails.
  client.on("error", () => {});
  try {
    await client.connect();
    return client;
  } catch (cause) {
    await client.end().catch(() => {});
    throw Object.assign(new ConfigError(explain(cause, variable)), { cause });
  }
}

/** Error codes of OpenSSL and Node for a certificate of an unknown authority. */
const UNTRUSTED = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "CERT_SIGNATURE_FAILURE",
]);

function explain(error: unknown, variable: string): string {
  const { code = "", message = "" } = error as { code?: string; message?: string };
  const why = reason(error);
  if (error instanceof NoPrimaryError) {
    return `No database server can be used (${why}); promote one, or name the primary in ${variable}`;
  }
  if (UNTRUSTED.has(code)) {
    return `The certificate of the database is not trusted (${why}); add sslrootcert=/path/to/ca.pem to ${variable} with the authority that signed it, or sslmode=no-verify to encrypt without verifying`;
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return `The certificate of the database is for another host (${why}); use a host name of the certificate in ${variable}`;
  }
  if (code.startsWith("CERT_")) {
    return `The certificate of the database is invalid (${why}); renew it`;
  }
  if (message.includes("does not support SSL")) {
    return `The database at ${variable} does not support TLS; set ssl = on in postgresql.conf, or remove sslmode from ${variable}`;
  }
  if (message.includes("no encryption")) {
    return `The database requires TLS (${why}); add sslmode=verify-full to ${variable}, and sslrootcert=/path/to/ca.pem if its authority is private`;
  }
  return `The database is not reachable (${why}); check ${variable} and that PostgreSQL is running`;
}

/** Returns the first line of an error, or its code. */
export function reason(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string };
  return (message || code || String(error)).split("\n", 1)[0] ?? "";
}

/** Whether a pooler sits in between: it reports a process id of its own. */
export async function isPooled(client: pg.Client): Promise<boolean> {
  const { processID } = client as pg.Client & { processID: number | null };
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  return rows[0]?.pid !== processID;
}

/**
 * Connects to an address where sessions last.
 * @param variable the setting that holds the address
 * @throws ConfigError
 */
export async function connectWithSessions(
  config: ServerConfig,
  variable: string,
): Promise<pg.Client> {
  const client = await connectOrExplain(config, variable);
  try {
    await requireSessions(client, config);
    return client;
  } catch (error) {
    await client.end();
    throw error;
  }
}

/**
 * Checks that sessions last at this address, as LISTEN and session locks require. A pooler in
 * transaction mode breaks them.
 * @throws ConfigError
 */
export async function requireSessions(client: pg.Client, config: ServerConfig): Promise<void> {
  if (!(await isPooled(client))) return;
  const channel = `omoi_${randomUUID().replaceAll("-", "")}`;
  await client.query(`listen ${channel}`);
  const heard = once(client, "notification", {
    signal: AbortSignal.timeout(NOTIFICATION_TIMEOUT_MS),
  }).then(
    () => true,
    () => false,
  );
  const other = await connectOrExplain(config, "OMOI_DATABASE_URL");
  try {
    await other.query(`notify ${channel}`);
  } finally {
    await other.end();
  }
  const isSession = await heard;
  await client.query(`unlisten ${channel}`);
  if (isSession) return;
  throw new ConfigError(
    "A pooler in transaction mode sits between Omoi and the database; set OMOI_DATABASE_DIRECT_URL to the address of PostgreSQL itself, with the role that owns the database",
  );
}
