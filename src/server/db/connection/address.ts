/** The database addresses from the configuration, and the role that connects to each. */
import { join } from "node:path";
import { parseIntoClientConfig } from "pg-connection-string";
import { ConfigError } from "#shared/node/config-error.js";
import type { Config } from "../../config/config.js";
import { timelineFile } from "../../data-folder/data-folder.js";
import type { ServerConfig } from "../hosts/database-client.js";
import { DatabaseHosts } from "../hosts/database-hosts.js";
import { parseHosts } from "../hosts/parse-hosts.js";
import { ServerHistory } from "../hosts/server-history.js";

/** How to reach PostgreSQL. */
export interface DatabaseAddress {
  /** The role that owns the database, connected without a transaction pooler so that sessions last. */
  owner: ServerConfig;
  /** The unprivileged serving role, possibly through a transaction pooler; null creates `omoi_app`. */
  app: ServerConfig | null;
  /**
   * The address for the serving role's transactions, possibly a transaction pooler; null: the owner's
   * address.
   */
  pooler?: ServerConfig | null;
  /**
   * Whether the PostgreSQL server belongs to this installation alone; its role passwords then follow
   * the secret.
   */
  isOwn?: boolean;
}

/** The addresses the serving role connects to. */
export interface ServingAddress {
  /** For transactions. */
  transactions: ServerConfig;
  /**
   * For LISTEN and session locks, which outlive a transaction: the same role at the owner's address, because
   * migrations need sessions, too.
   */
  sessions: ServerConfig;
}

/**
 * Returns the addresses of a configured database.
 * @throws ConfigError when a file named by an address cannot be read
 */
export function databaseAddress(
  config: Pick<Config, "dataDir" | "databaseUrl" | "databaseDirectUrl" | "databaseAppUrl">,
  embedded: { host: string; port: number; owner: string; database: string } | null,
): DatabaseAddress {
  if (embedded) {
    const { host, port, owner, database } = embedded;
    return { owner: { host, port, user: owner, database }, app: null, isOwn: true };
  }
  const { databaseUrl, databaseDirectUrl, databaseAppUrl } = config;
  const history = new ServerHistory(join(config.dataDir, timelineFile));
  const general = addressFromUrl(databaseUrl as string, "OMOI_DATABASE_URL", history);
  return {
    owner:
      databaseDirectUrl === null
        ? general
        : addressFromUrl(databaseDirectUrl, "OMOI_DATABASE_DIRECT_URL", history),
    pooler: databaseDirectUrl === null ? null : general,
    app:
      databaseAppUrl === null
        ? null
        : addressFromUrl(databaseAppUrl, "OMOI_DATABASE_APP_URL", history),
  };
}

/**
 * Returns the addresses of the serving role.
 * @param made name and password of the created role, used when no address names one
 */
export function servingAddress(
  { owner, pooler, app }: DatabaseAddress,
  made: { user: string; password: string },
): ServingAddress {
  if (app === null) {
    return { transactions: { ...(pooler ?? owner), ...made }, sessions: { ...owner, ...made } };
  }
  const sessions = { ...owner };
  // Without a name or a password in the address, the driver takes them from the environment.
  for (const key of ["user", "password"] as const) {
    delete sessions[key];
    if (app[key] !== undefined) Object.assign(sessions, { [key]: app[key] });
  }
  // A client certificate is of a role.
  if (typeof app.ssl === "object" && app.ssl.cert && typeof owner.ssl === "object") {
    sessions.ssl = { ...owner.ssl, cert: app.ssl.cert, key: app.ssl.key };
  }
  return { transactions: app, sessions };
}

/** `sslmode` values that the driver treats as `verify-full`, with a warning. */
const VERIFYING = new Set(["prefer", "require", "verify-ca"]);

/**
 * Parses a `postgres://` address of one server or several, TLS included. Every `sslmode` but `disable`
 * and `no-verify` verifies the server's certificate and host name, unless the address has
 * `uselibpqcompat=true`.
 * @param history of the promotions of the database's servers, which all its addresses share
 * @throws ConfigError when a file named by the address cannot be read, or its servers are malformed
 */
export function addressFromUrl(
  given: string,
  variable = "OMOI_DATABASE_URL",
  history = new ServerHistory(),
): ServerConfig {
  const { hosts, url: plain, timeoutMs } = parseHosts(given, variable);
  let url = plain;
  const { searchParams } = new URL(url);
  const mode = searchParams.get("sslmode") ?? "";
  if (VERIFYING.has(mode) && searchParams.get("uselibpqcompat") !== "true") {
    url = url.replace(`sslmode=${mode}`, "sslmode=verify-full");
  }
  try {
    const config: ServerConfig = parseIntoClientConfig(url);
    if (hosts === null) return config;
    return { ...config, hosts: new DatabaseHosts(hosts, history, timeoutMs) };
  } catch (error) {
    const { message } = error as Error;
    throw new ConfigError(
      `${variable} cannot be used (${message.split("\n", 1)[0]}); check the files and options it names`,
    );
  }
}
