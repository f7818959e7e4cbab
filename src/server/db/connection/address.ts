/** Which role connects where: the addresses of the database, as the operator gives them. */
import { parseIntoClientConfig } from "pg-connection-string";
import type pg from "pg";
import { ConfigError } from "#shared/node/config-error.js";
import type { Config } from "../../config/config.js";

/** How to reach a PostgreSQL. */
export interface DatabaseAddress {
  /** The role that owns the database, where sessions last: PostgreSQL itself, no transaction pooler. */
  owner: pg.ClientConfig;
  /** The unprivileged role to serve as; null makes `omoi_app`. */
  app: pg.ClientConfig | null;
  /** Where the serving role's transactions go, which may be a transaction pooler; null: where `owner` goes. */
  pooler?: pg.ClientConfig | null;
  /** Whether the whole PostgreSQL is this installation's: then its roles follow its secret. */
  isOwn?: boolean;
}

/** The addresses that the serving role connects to. */
export interface ServingAddress {
  /** For transactions of any kind. */
  transactions: pg.ClientConfig;
  /** For what lasts longer than a transaction: LISTEN and session locks. */
  sessions: pg.ClientConfig;
}

/** The addresses of a configured database. @throws ConfigError where a file that one names cannot be read */
export function databaseAddress(
  config: Pick<Config, "databaseUrl" | "databaseDirectUrl" | "databaseAppUrl">,
  embedded: { host: string; port: number; owner: string; database: string } | null,
): DatabaseAddress {
  if (embedded) {
    const { host, port, owner, database } = embedded;
    return { owner: { host, port, user: owner, database }, app: null, isOwn: true };
  }
  const { databaseUrl, databaseDirectUrl, databaseAppUrl } = config;
  const general = addressFromUrl(databaseUrl as string, "OMOI_DATABASE_URL");
  return {
    owner:
      databaseDirectUrl === null
        ? general
        : addressFromUrl(databaseDirectUrl, "OMOI_DATABASE_DIRECT_URL"),
    pooler: databaseDirectUrl === null ? null : general,
    app: databaseAppUrl === null ? null : addressFromUrl(databaseAppUrl, "OMOI_DATABASE_APP_URL"),
  };
}

/**
 * The addresses of the serving role. @param made the role's name and password, where no address names one
 */
export function servingAddress(
  { owner, pooler, app }: DatabaseAddress,
  made: { user: string; password: string },
): ServingAddress {
  const transactions = app ?? { ...(pooler ?? owner), ...made };
  if (!pooler) return { transactions, sessions: transactions };
  const { user, password } = transactions;
  return {
    transactions,
    sessions: {
      ...owner,
      ...(user === undefined ? {} : { user }),
      ...(password === undefined ? {} : { password }),
    },
  };
}

/** `sslmode` values that the driver takes for `verify-full`, with a warning. */
const VERIFYING = new Set(["prefer", "require", "verify-ca"]);

/**
 * The connection settings of a `postgres://` address, TLS included. Every `sslmode` but `disable` and
 * `no-verify` verifies the server's certificate and name, unless the address has `uselibpqcompat=true`.
 * @throws ConfigError where a file that it names cannot be read
 */
export function addressFromUrl(url: string, variable = "OMOI_DATABASE_URL"): pg.ClientConfig {
  const parsed = new URL(url);
  const { searchParams } = parsed;
  const mode = searchParams.get("sslmode") ?? "";
  if (VERIFYING.has(mode) && searchParams.get("uselibpqcompat") !== "true") {
    url = url.replace(`sslmode=${mode}`, "sslmode=verify-full");
  }
  try {
    return parseIntoClientConfig(url);
  } catch (error) {
    const { message } = error as Error;
    throw new ConfigError(
      `${variable} cannot be used (${message.split("\n", 1)[0]}); check the files and options it names`,
    );
  }
}
