import { Agent } from "node:http";
import { join } from "node:path";
import type { Client } from "#shared/contract/client.js";
import { readVerificationKey } from "#server/db/installation.js";
import { hashKey } from "#server/features/identity/api-keys/keyring/key.js";
import { generateKey } from "#shared/node/key-text.js";
import { startBareServer } from "./support/bare-route.js";
import { startBetterAuth } from "./support/better-auth.js";
import {
  interleave,
  median,
  spread,
  timed,
  times,
  type Benchmark,
  type Row,
} from "./support/harness.js";
import { keyCreation } from "./key-creation.js";
import { load } from "./support/load.js";
import { openCacheControl } from "./support/cache-control.js";
import { asOwner, withPostgres, type SharedPostgres } from "./support/postgres.js";
import { startServer, withServer, type Server } from "./support/server.js";
import { askOnce } from "./support/single-request.js";
import { withWrongKeys } from "./wrong-keys.js";

const connections = 20;
const seconds = 3;
const rounds = 5;
const few = 100;
const many = 1_000_000;
const requests = 500;
const wrongPerSecond = 10_000;
const floodRounds = 5;
const floodRequests = 2000;
const secret = "a secret for the benchmark, of no use elsewhere";

/** The cost of every request with a key, under wrong keys and with many keys. */
export const keys: Benchmark = {
  name: "keys",
  method:
    "Request: GET /api/v1/auth/me with an API key, alternating with a bare Fastify process whose " +
    "only route sends the same bytes. Verify: POST /api/v1/auth/api-keys/verify, alternating with " +
    "better-auth 1.7.5's api-key plugin behind node:http, with its keys in the same PostgreSQL and " +
    `in memory; deferred updates, no rate limit, telemetry or logging. Both use ${connections} ` +
    `connections, ${seconds} s per round, ${rounds} rounds. Many keys: medians of ${requests} single ` +
    `requests, alternating between a database of ${many} keys of 10 000 people and one of ${few}; ` +
    `"cold cache" uses another key per request and clears the caches of both servers before it. ` +
    `Wrong keys: medians of ${floodRequests} single requests with a valid key, with and without ` +
    `another process that sends ${wrongPerSecond} wrong keys per second, half of them with a correct ` +
    `checksum, in ${floodRounds} alternating rounds. Key creation: medians of single requests, ` +
    "alternating between two people.",
  run: (folder, log) =>
    withPostgres(folder, async (postgres) => [
      ...(await requestAndVerify(folder, postgres, log)),
      ...(await manyKeys(folder, postgres, log)),
    ]),
};

const perSecond = (value: number): string => `${Math.round(value)} requests/s`;
const precise = (value: number): string => `${value.toFixed(2)} ms`;

async function requestAndVerify(
  folder: string,
  { makeDatabase }: SharedPostgres,
  log: (line: string) => void,
): Promise<Row[]> {
  const databaseUrl = await makeDatabase("omoi");
  const options = {
    dataDir: join(folder, "data"),
    env: { OMOI_DATABASE_URL: databaseUrl, OMOI_SECRET: secret },
  };
  return withServer(options, async (server, api) => {
    const { data: own } = await api.apiKeys.create({ body: { name: "Bench" } });
    return [
      ...(await request(server, own.key as string, log)),
      ...(await verify(server, api, own.key as string, makeDatabase, log)),
      await keyCreation(server, databaseUrl, log),
      await wrongKeys(server, own.key as string, log),
    ];
  });
}

async function request(server: Server, key: string, log: (line: string) => void): Promise<Row[]> {
  const url = `${server.url}/api/v1/auth/me`;
  const headers = { authorization: `Bearer ${key}` };
  const text = await (await fetch(url, { headers })).text();
  const bare = await startBareServer(text);
  try {
    const measure = async (address: string): Promise<number> =>
      (await load({ url: address, connections, seconds, headers })).requestsPerSecond;
    const figures = await interleave(rounds, {
      ours: (round) => {
        log(`request: round ${round} of ${rounds}`);
        return measure(url);
      },
      bare: () => measure(bare.bytesUrl),
    });
    const [ours, theirs] = [median(figures.ours), median(figures.bare)];
    return [
      {
        label: `Request with an API key (${text.length} bytes)`,
        result: perSecond(ours),
        baseline: `${perSecond(theirs)}, bare Fastify, same bytes`,
        ratio: `${times(ours / theirs)} (${spread(figures.ours, figures.bare)})`,
        target: "at least 0.6 ×",
        met: ours / theirs >= 0.6,
      },
    ];
  } finally {
    bare.stop();
  }
}

async function verify(
  server: Server,
  api: Client,
  caller: string,
  makeDatabase: SharedPostgres["makeDatabase"],
  log: (line: string) => void,
): Promise<Row[]> {
  const { data: org } = await api.organizations.create({ body: { name: "Bench" } });
  const { data: asked } = await api.apiKeys.create({
    body: { name: "Asked about", scopes: [`org:${org.slug}:*`] },
  });
  const peers = [];
  for (const kept of ["database", "memory"] as const) {
    const peer = await startBetterAuth({
      databaseUrl: await makeDatabase(`better_auth_${kept}`),
      organizationCount: 1,
      memberCount: 1,
      keys: kept,
    });
    peers.push(peer);
  }
  const [stored, remembered] = peers;
  if (!stored || !remembered) throw new Error("better-auth was not started");
  try {
    const json = { "content-type": "application/json" };
    const ours = {
      url: `${server.url}/api/v1/auth/api-keys/verify`,
      headers: { ...json, authorization: `Bearer ${caller}` },
      body: JSON.stringify({ key: asked.key }),
    };
    const theirs = ({ verifyUrl, key }: typeof stored) => ({
      url: verifyUrl,
      headers: json,
      body: JSON.stringify({ key }),
    });
    for (const one of [ours, theirs(stored), theirs(remembered)]) {
      const answer = await (await fetch(one.url, { ...one, method: "POST" })).text();
      if (!answer.includes('"valid":true')) throw new Error(`not verified: ${answer}`);
    }
    const measure = async (one: typeof ours | ReturnType<typeof theirs>): Promise<number> =>
      (await load({ ...one, connections, seconds })).requestsPerSecond;
    const figures = await interleave(rounds, {
      ours: (round) => {
        log(`verify: round ${round} of ${rounds}`);
        return measure(ours);
      },
      database: () => measure(theirs(stored)),
      memory: () => measure(theirs(remembered)),
    });
    const row = (label: string, kept: "database" | "memory", target: number): Row => {
      const ratio = median(figures.ours) / median(figures[kept]);
      return {
        label,
        result: perSecond(median(figures.ours)),
        baseline: `${perSecond(median(figures[kept]))}, better-auth with keys in ${kept === "memory" ? "memory" : "the database"}`,
        ratio: `${times(ratio)} (${spread(figures.ours, figures[kept])})`,
        target: `at least ${target} ×`,
        met: ratio >= target,
      };
    };
    return [
      row("Verify a key", "database", 15),
      row("… compared with keys in memory", "memory", 5),
    ];
  } finally {
    for (const peer of peers) peer.stop();
  }
}

async function wrongKeys(server: Server, key: string, log: (line: string) => void): Promise<Row> {
  const url = `${server.url}/api/v1/auth/me`;
  const prefix = key.slice(0, -36);
  const agent = new Agent({ keepAlive: true });
  const reached: number[] = [];
  const p50 = async (): Promise<number> => {
    const took: number[] = [];
    for (let count = 0; count < floodRequests; count += 1)
      took.push(await timed(() => askOnce(agent, url, key)));
    return median(took);
  };
  try {
    const figures = await interleave(floodRounds, {
      alone: (round) => {
        log(`wrong keys: round ${round} of ${floodRounds}`);
        return p50();
      },
      flooded: async () => {
        const { result, refusedPerSecond } = await withWrongKeys(url, prefix, wrongPerSecond, p50);
        reached.push(refusedPerSecond);
        return result;
      },
    });
    const ratio = median(figures.flooded) / median(figures.alone);
    return {
      label: `Request during ${Math.round(median(reached))} rejected keys per second`,
      result: `p50 ${precise(median(figures.flooded))}`,
      baseline: `p50 ${precise(median(figures.alone))}, alone`,
      ratio: `${times(ratio)} (${spread(figures.flooded, figures.alone)})`,
      target: "at most 1.2 ×",
      met: ratio <= 1.2,
    };
  } finally {
    agent.destroy();
  }
}

async function manyKeys(
  folder: string,
  { makeDatabase }: SharedPostgres,
  log: (line: string) => void,
): Promise<Row[]> {
  const agent = new Agent({ keepAlive: true });
  const prepare = async (name: string, count: number) => {
    const databaseUrl = await makeDatabase(name);
    const env = { OMOI_DATABASE_URL: databaseUrl, OMOI_SECRET: secret };
    const options = { dataDir: join(folder, name), env };
    const prefix = await withServer(options, async (_server, api) => {
      const { data } = await api.apiKeys.create({ body: { name: "Bench" } });
      return (data.key as string).slice(0, -36);
    });
    const known = await addKeys(databaseUrl, prefix, count);
    return {
      known,
      server: await startServer(options),
      caches: await openCacheControl(databaseUrl),
    };
  };
  const small = await prepare("few_keys", few);
  const large = await prepare("many_keys", many);
  log(`inserted ${many} keys`);
  const ask = ({ server, known }: typeof small, round: number): Promise<number> =>
    timed(() =>
      askOnce(agent, `${server.url}/api/v1/auth/me`, known[round % known.length] as string),
    );
  const inTurn = async (pick: (round: number) => number, isCold: boolean) => {
    const figures = { small: [] as number[], large: [] as number[] };
    for (let round = 0; round < requests; round += 1) {
      if (isCold) await Promise.all([small.caches.clear(), large.caches.clear()]);
      const both = [
        async () => figures.small.push(await ask(small, pick(round))),
        async () => figures.large.push(await ask(large, pick(round))),
      ];
      for (const one of round % 2 === 0 ? both : both.toReversed()) await one();
    }
    return figures;
  };
  try {
    await inTurn((round) => round, true);
    const warm = await inTurn(() => 0, false);
    const cold = await inTurn((round) => round, true);
    const row = (label: string, { small, large }: typeof warm): Row => {
      const ratio = median(large) / median(small);
      return {
        label,
        result: `p50 ${precise(median(large))} with ${many} keys`,
        baseline: `p50 ${precise(median(small))} with ${few}`,
        ratio: times(ratio),
        target: "at most 1.1 ×",
        met: ratio <= 1.1,
      };
    };
    return [row("Request with one of many keys, warm cache", warm), row("… cold cache", cold)];
  } finally {
    agent.destroy();
    await Promise.all(
      [small, large].flatMap(({ caches, server }) => [caches.close(), server.stop()]),
    );
  }
}

/** Inserts keys of 10 000 people and returns a sample across all of them. */
async function addKeys(databaseUrl: string, prefix: string, count: number): Promise<string[]> {
  const known = Array.from({ length: Math.min(count, requests) }, () => generateKey(prefix));
  await asOwner(databaseUrl, async (client) => {
    const verificationKey = await readVerificationKey(client, secret);
    await client.query("set session_replication_role = replica");
    await client.query(
      `insert into users (id, email)
       select md5('person ' || n)::uuid, format('person-%s@example.com', n) from generate_series(0, 9999) n`,
    );
    const rows = `insert into api_keys (id, user_id, created_by, name, key_hash, key_prefix, key_hint, scopes)
      select gen_random_uuid(), md5('person ' || n % 10000)::uuid, md5('person ' || n % 10000)::uuid, 'Key', hash, '', '', '{*:*}'`;
    await client.query(
      `${rows} from generate_series(1, $1::int) n, sha256(convert_to('key ' || n, 'UTF8')) hash`,
      [count - known.length],
    );
    await client.query(`${rows} from unnest($1::bytea[]) with ordinality as given(hash, n)`, [
      known.map((key) => hashKey(verificationKey, key)),
    ]);
    await client.query("set session_replication_role = origin");
    await client.query("vacuum (freeze, analyze)");
  });
  return known;
}
