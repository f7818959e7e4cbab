/** The connections of a server process to its database. */
import type pg from "pg";
import type { Logger } from "pino";
import { ANSWER_MS } from "../cache/listening-connection.js";
import { DatabasePool, type ServerConfig } from "../hosts/database-client.js";
import { lockConnections } from "../locks/locks.js";
import type { ServingAddress } from "./address.js";
import { type PoolSettings, SystemPool, tenantPoolOf } from "./system-pool.js";

/** Connections per pool. */
export const POOL_SIZE = 10;
/** Maximum wait of a request for a connection. */
const CONNECT_TIMEOUT_MS = 30_000;
/** A proof that is late is useless; its connection is replaced, because its server may be gone. */
const PROOF_LIMITS = { connectionTimeoutMillis: 5000, query_timeout: ANSWER_MS };

export function openPools(serving: ServingAddress, keepsPrepared: boolean, log: Logger) {
  const settings = (config: ServerConfig, max = POOL_SIZE): PoolSettings => ({
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    ...config,
    max,
    idleTimeoutMillis: 60_000,
    keepsPrepared,
  });
  const tenantPool = withErrorHandlers(tenantPoolOf(settings(serving.transactions)), log);
  const systemPool = withErrorHandlers(new SystemPool(settings(serving.transactions)), log);
  const leasePool = withErrorHandlers(new SystemPool(settings(serving.transactions, 1)), log);
  const lockPool = withErrorHandlers(
    new DatabasePool(settings(serving.sessions, lockConnections)),
    log,
  );
  const proofPool = withErrorHandlers(
    new SystemPool({ ...settings(serving.transactions, 1), ...PROOF_LIMITS }),
    log,
  );
  return {
    tenantPool,
    systemPool,
    leasePool,
    lockPool,
    proofPool,
    state: () => {
      const used = [tenantPool, systemPool, lockPool];
      const sum = (of: (pool: pg.Pool) => number): number =>
        used.reduce((total, pool) => total + of(pool), 0);
      const idle = sum(({ idleCount }) => idleCount);
      const total = sum(({ totalCount }) => totalCount);
      return { active: total - idle, idle, waiting: sum(({ waitingCount }) => waitingCount) };
    },
    end: async (): Promise<void> => {
      const all = [tenantPool, systemPool, lockPool, leasePool, proofPool];
      await Promise.all(all.map((pool) => pool.end()));
    },
  };
}

/** Handles connection errors, which would otherwise end the process. */
function withErrorHandlers<Pool extends pg.Pool>(pool: Pool, log: Logger): Pool {
  // The pool replaces a connection that breaks while idle. While the pool is ending, PostgreSQL may
  // shut down too, which is not worth a warning.
  pool.on("error", (error) => {
    if (!pool.ending) log.warn({ err: error }, "lost an idle database connection");
  });
  // When a connection breaks between two queries, the next query fails.
  pool.on("connect", (client) => client.on("error", () => {}));
  return pool;
}
