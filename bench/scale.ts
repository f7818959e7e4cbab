import { Agent } from "node:http";
import { join } from "node:path";
import type { Client } from "#shared/contract/client.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { readVerificationKey } from "#server/db/installation.js";
import { hashKey } from "#server/features/identity/api-keys/keyring/key.js";
import { generateKey } from "#shared/node/key-text.js";
import {
  insertOrganizations,
  bulkId,
  growingTables,
} from "#test/support/database/bulk-organizations.js";
import { median, timed, times, type Benchmark, type Row } from "./support/harness.js";
import { openCacheControl } from "./support/cache-control.js";
import { asOwner, withPostgres } from "./support/postgres.js";
import { startServer, withServer, type Server } from "./support/server.js";
import { askOnce } from "./support/single-request.js";

const organizationCount = 20;
const memberCount = 10;
const crowd = { organizations: 100_000, people: 50_000 };
const requests = 500;
const secret = "a secret for the benchmark, of no use elsewhere";

/** The server's start checks for existing rows and reads a few. */
const fewRows = 100;

/** Latency must not depend on the number of other organizations. */
export const scale: Benchmark = {
  name: "scale",
  method:
    `List and get with an API key of one person with ${organizationCount} organizations of ` +
    `${memberCount} members. A database with ${crowd.organizations} further organizations and ` +
    `${crowd.organizations * memberCount} memberships is compared with one that holds nothing else: ` +
    `two servers on one PostgreSQL, medians of alternating single requests. "Warm cache" repeats the ` +
    `request. "Cold cache" clears the caches of both servers before each request. "Different ` +
    `callers" uses another person of another organization for each request, compared with the single ` +
    "person of the small database. A table has a sequential scan if PostgreSQL counted more than " +
    `${fewRows} rows read without an index by the server of the large database; the tables are ` +
    `${growingTables.join(", ")}.`,
  run: (folder, log) =>
    withPostgres(folder, async ({ makeDatabase }) => {
      const prepare = async (name: string) => {
        const databaseUrl = await makeDatabase(name);
        const options = {
          dataDir: join(folder, name),
          env: { OMOI_DATABASE_URL: databaseUrl, OMOI_SECRET: secret },
        };
        const person = await withServer(options, (_server, api) => settle(api, databaseUrl));
        return { databaseUrl, options, ...person };
      };
      const small = await prepare("small");
      const large = await prepare("large");
      const took = await timed(() =>
        asOwner(large.databaseUrl, (client) =>
          insertOrganizations(client, crowd.organizations, crowd.people),
        ),
      );
      log(`filled in ${Math.round(took / 1000)} s`);
      const others = await addStrangers(large.databaseUrl, large.key);
      const before = await rowsWithoutIndex(large.databaseUrl);
      const [smallServer, largeServer] = [
        await startServer(small.options),
        await startServer(large.options),
      ];
      let rows: Row[];
      try {
        rows = await measure(
          { ...small, server: smallServer },
          { ...large, server: largeServer },
          others,
          log,
        );
      } finally {
        await Promise.all([smallServer.stop(), largeServer.stop()]);
      }
      // Closed connections have reported all their statistics.
      const after = await rowsWithoutIndex(large.databaseUrl);
      const read = growingTables.filter(
        (name) => (after.get(name) ?? 0) - (before.get(name) ?? 0) > fewRows,
      );
      return [
        ...rows,
        {
          label: "… tables with sequential scans",
          result: read.join(", ") || "none",
          baseline: "",
          ratio: "",
          target: `none of ${growingTables.length} growing tables`,
          met: read.length === 0,
        },
      ];
    }),
};

interface Person {
  key: string;
  orgId: string;
}

/** A person with organizations, each with members. */
async function settle(api: Client, databaseUrl: string): Promise<Person> {
  const ids: string[] = [];
  for (let number = 1; number <= organizationCount; number += 1) {
    const { data } = await api.organizations.create({ body: { name: `Organization ${number}` } });
    ids.push(data.id);
  }
  await asOwner(databaseUrl, (client) =>
    client.query(
      `with people as (
         insert into users (id, email)
         select gen_random_uuid(), format('colleague-%s@example.com', n)
         from generate_series(2, $1::int) n returning id
       )
       insert into memberships (id, org_id, user_id, role_id)
       select gen_random_uuid(), o.id, p.id, $2 from people p, organizations o`,
      [memberCount, systemRoleIds.member],
    ),
  );
  const { data } = await api.apiKeys.create({ body: { name: "Bench" } });
  return { key: data.key as string, orgId: ids[0] as string };
}

/** Keys of people in the crowd, each with one of their organizations. */
async function addStrangers(databaseUrl: string, like: string): Promise<Person[]> {
  const prefix = like.slice(0, -36);
  const keys = Array.from({ length: 2 * requests }, () => generateKey(prefix));
  const { rows } = await asOwner(databaseUrl, async (client) => {
    const verificationKey = await readVerificationKey(client, secret);
    return client.query<{ org_id: string }>(
      `with given as (
         select hash, place, place * 17 as number
         from unnest($1::bytea[]) with ordinality as keys(hash, place)
       ), made as (
         insert into api_keys (id, user_id, created_by, name, key_hash, key_prefix, key_hint, scopes)
         select gen_random_uuid(), ${bulkId("person", "number")}, ${bulkId("person", "number")}, 'Bench', hash, '', '', '{*:*}'
         from given
       )
       select ${bulkId("organization", "number")} as org_id from given order by place`,
      [keys.map((key) => hashKey(verificationKey, key))],
    );
  });
  return rows.map(({ org_id }, index) => ({ key: keys[index] as string, orgId: org_id }));
}

/** Rows read without an index, per growing table. */
async function rowsWithoutIndex(databaseUrl: string): Promise<Map<string, number>> {
  return asOwner(databaseUrl, async (client) => {
    const { rows } = await client.query<{ name: string; count: number }>(
      `select relname as name, seq_tup_read::int as count from pg_stat_user_tables
       where relname = any($1)`,
      [growingTables],
    );
    return new Map(rows.map(({ name, count }) => [name, count]));
  });
}

type Place = Person & { databaseUrl: string; server: Server };

const asked = {
  list: { label: `List ${organizationCount} organizations`, path: () => "" },
  get: { label: "Get one organization", path: ({ orgId }: Person) => `/${orgId}` },
};

async function measure(
  small: Place,
  large: Place,
  others: readonly Person[],
  log: (line: string) => void,
): Promise<Row[]> {
  const agent = new Agent({ keepAlive: true });
  const rows: Row[] = [];
  const cacheControls = await Promise.all(
    [small, large].map((place) => openCacheControl(place.databaseUrl)),
  );
  try {
    for (const [index, { label, path }] of Object.values(asked).entries()) {
      log(label);
      const ask = (place: Place, person: Person): Promise<number> =>
        timed(() =>
          askOnce(agent, `${place.server.url}/api/v1/organizations${path(person)}`, person.key),
        );
      const inTurn = async (
        people: readonly Person[],
        first: () => Promise<unknown> = async () => {},
      ) => {
        const figures = { small: [] as number[], large: [] as number[] };
        for (const [round, person] of people.entries()) {
          await first();
          const ofSmall = async () => figures.small.push(await ask(small, small));
          const ofLarge = async () => figures.large.push(await ask(large, person));
          // In alternating order, as in `interleave`.
          for (const one of round % 2 === 0 ? [ofSmall, ofLarge] : [ofLarge, ofSmall]) await one();
        }
        return figures;
      };
      const same = (count: number): Person[] => Array.from({ length: count }, () => large);
      const clearCaches = () => Promise.all(cacheControls.map((caches) => caches.clear()));
      // The first requests warm up.
      await inTurn(same(requests), clearCaches);
      const warm = await inTurn(same(requests));
      const cold = await inTurn(same(requests), clearCaches);
      const foreign = await inTurn(
        others.slice(index * requests, (index + 1) * requests),
        clearCaches,
      );
      rows.push(
        rowOf(`${label}, warm cache`, warm),
        rowOf("… cold cache", cold),
        rowOf("… different callers", foreign),
      );
    }
  } finally {
    agent.destroy();
    await Promise.all(cacheControls.map((caches) => caches.close()));
  }
  return rows;
}

function rowOf(label: string, figures: Record<"large" | "small", readonly number[]>): Row {
  const [one, other] = [median(figures.large), median(figures.small)];
  const precise = (value: number): string => `${value.toFixed(2)} ms`;
  return {
    label,
    result: `p50 ${precise(one)} with ${crowd.organizations} others`,
    baseline: `p50 ${precise(other)}, alone`,
    ratio: times(one / other),
    target: "at most 1.3 ×",
    met: one / other <= 1.3,
  };
}
