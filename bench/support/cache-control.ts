import pg from "pg";

/** A connection that clears the caches of the servers of one database. */
export interface CacheControl {
  /** Settles once the server has cleared its caches. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

/** Uses the notification of a changed system role, which invalidates every entry. */
export async function openCacheControl(databaseUrl: string): Promise<CacheControl> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query("listen omoi_heard");
  return {
    clear: async () => {
      const acknowledged = new Promise((resolve) => client.once("notification", resolve));
      await client.query(
        "select pg_notify('omoi_changes', 'roles - -'), pg_notify('omoi_call', 'bench')",
      );
      await acknowledged;
    },
    close: () => client.end(),
  };
}
