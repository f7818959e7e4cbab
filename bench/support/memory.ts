import pg from "pg";

export interface Memory {
  /** Settles when the server has forgotten all that it keeps in memory. */
  forget(): Promise<void>;
  close(): Promise<void>;
}

/** Tells the server on a database that everything may have changed, as a change of a system role would. */
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
