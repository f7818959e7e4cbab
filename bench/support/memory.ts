import pg from "pg";

export interface Memory {
  /** Settles once the server has cleared its caches. */
  forget(): Promise<void>;
  close(): Promise<void>;
}

/** Notifies the server of a change to everything, like a change of a system role. */
export async function memoryOf(databaseUrl: string): Promise<Memory> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query("listen omoi_heard");
  return {
    forget: async () => {
      const heard = new Promise((resolve) => client.once("notification", resolve));
      await client.query(
        "select pg_notify('omoi_changes', 'roles - -'), pg_notify('omoi_call', 'bench')",
      );
      await heard;
    },
    close: () => client.end(),
  };
}
