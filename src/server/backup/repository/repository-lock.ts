import type pg from "pg";
import { ConfigError } from "#shared/node/config-error.js";

/**
 * A lock of the installation's backup repository. PostgreSQL releases it when this process ends or loses its
 * connection.
 */
export interface RepositoryLock {
  /** @throws ConfigError if the connection, and with it the lock, was lost */
  require(): Promise<void>;
  release(): Promise<void>;
}

/**
 * Several backups may be written at the same time, and prune runs alone.
 * @returns null if another process holds a lock that excludes `prune`; `write` waits instead
 */
export async function lockRepository(
  pool: pg.Pool,
  use: "write" | "prune",
): Promise<RepositoryLock | null> {
  const take =
    use === "write"
      ? "true as ok, pg_advisory_lock_shared(hashtextextended('backup repository', 0))"
      : "pg_try_advisory_lock(hashtextextended('backup repository', 0)) as ok";
  return lockOn(pool, `select ${take}`, []);
}

/** @returns null if another process makes the scheduled backup of the node */
export function lockSchedule(pool: pg.Pool, nodeId: string): Promise<RepositoryLock | null> {
  const statement = "select pg_try_advisory_lock(hashtextextended($1, 0)) as ok";
  return lockOn(pool, statement, [`scheduled backup ${nodeId}`]);
}

async function lockOn(
  pool: pg.Pool,
  statement: string,
  values: string[],
): Promise<RepositoryLock | null> {
  const client = await pool.connect();
  const release = async (): Promise<void> => {
    const isFree = await client.query("select pg_advisory_unlock_all()").then(
      () => true,
      () => false,
    );
    // The end of a connection also ends its locks.
    client.release(!isFree);
  };
  try {
    const { rows } = await client.query<{ ok: boolean }>(statement, values);
    if (rows[0]?.ok !== true) {
      await release();
      return null;
    }
  } catch (error) {
    await release();
    throw error;
  }
  return {
    require: async () => {
      try {
        await client.query("select");
      } catch (cause) {
        throw new ConfigError(
          "The connection to the database was lost during the backup; make it again",
          { cause },
        );
      }
    },
    release,
  };
}
