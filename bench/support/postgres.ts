import { join } from "node:path";
import pg from "pg";
import { startEmbeddedPostgres } from "#server/db/embedded/embedded.js";

/** A PostgreSQL for several programs: the embedded one, used like an external one. */
export interface SharedPostgres {
  /** Creates a database and returns its owner's `postgres://` URL. */
  makeDatabase: (name: string) => Promise<string>;
}

/** Runs work with a PostgreSQL started like the server's own. */
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

/** Runs work on a database as its owner, who sees every organization. */
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
