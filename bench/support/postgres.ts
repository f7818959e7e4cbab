import { join } from "node:path";
import pg from "pg";
import { startEmbeddedPostgres } from "#server/db/embedded/embedded.js";

/** A PostgreSQL for several programs: the embedded one, used as one that an operator brings along. */
export interface SharedPostgres {
  /** Makes a database and gives its `postgres://` address, as its owner. */
  makeDatabase: (name: string) => Promise<string>;
}

/** Starts a PostgreSQL for the time of some work, as the server itself would start it. */
export async function withPostgres<Result>(
  folder: string,
  work: (postgres: SharedPostgres) => Promise<Result>,
): Promise<Result> {
  const embedded = await startEmbeddedPostgres({
    dataDir: join(folder, "postgres"),
    uid: 60_859,
  });
  const address = (database: string): string => {
    const url = new URL(`postgres://localhost/${database}`);
    url.username = embedded.user;
    url.searchParams.set("host", embedded.host);
    url.searchParams.set("port", String(embedded.port));
    return url.href;
  };
  try {
    return await work({
      makeDatabase: async (name) => {
        await asOwner(address(embedded.database), (client) =>
          client.query(`create database ${name}`),
        );
        return address(name);
      },
    });
  } finally {
    await embedded.stop();
  }
}

/** Work on a database as the role that owns it, which sees every organization. */
export async function asOwner<Result>(
  url: string,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client({
    connectionString: url,
    options: "-c app.system=on -c timezone=UTC",
  });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
