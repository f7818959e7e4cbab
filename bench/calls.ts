import { join } from "node:path";
import { systemRoleIds } from "#server/db/migrate.js";
import { startBetterAuth } from "./support/better-auth.js";
import { interleave, median, spread, times, type Benchmark, type Row } from "./support/harness.js";
import { load } from "./support/load.js";
import { asOwner, withPostgres } from "./support/postgres.js";
import { withServer } from "./support/server.js";

const organizationCount = 20;
const memberCount = 50;
const connections = 20;
const seconds = 3;
const rounds = 3;

interface Call {
  label: string;
  /** Required ratio to better-auth's best configuration. */
  target: number;
  path: string;
  /** The equivalent call of better-auth. */
  theirs: { path: string; body?: string };
  /**
   * A pattern that both responses must contain this many times, so that only real work is measured.
   */
  proof: [RegExp, number];
}

function callsOn(orgId: string, theirOrgId: string): Call[] {
  const org = `/api/v1/organizations/${orgId}`;
  const query = `organizationId=${theirOrgId}`;
  return [
    {
      label: `List ${organizationCount} organizations`,
      target: 20,
      path: "/api/v1/organizations",
      theirs: { path: "/list" },
      proof: [/"slug":/g, organizationCount],
    },
    {
      label: "Get one organization",
      target: 15,
      path: org,
      theirs: { path: `/get-organization?${query}` },
      proof: [/"slug":/g, 1],
    },
    {
      label: `List ${memberCount} members`,
      target: 15,
      path: `${org}/members`,
      theirs: { path: `/list-members?${query}&limit=${memberCount}` },
      proof: [/"email":/g, memberCount],
    },
    {
      label: "Check a permission",
      target: 15,
      path: `${org}/permissions?check=org:write`,
      theirs: {
        path: "/has-permission",
        body: JSON.stringify({
          organizationId: theirOrgId,
          permissions: { organization: ["update"] },
        }),
      },
      proof: [/"(allowed|success)":true/g, 1],
    },
  ];
}

/** The most frequent calls, compared with a widely used library. */
export const calls: Benchmark = {
  name: "calls",
  method:
    "Each call is compared with the same call of better-auth 1.7.5's organization plugin (list, " +
    "get-organization, list-members, has-permission) on the same PostgreSQL, in separate databases. " +
    `One person has ${organizationCount} organizations; the first has ${memberCount} members. Omoi ` +
    "is called with an API key and answers from its cache. better-auth runs behind node:http in " +
    "production mode with joins, cached session cookies and deferred key updates, without rate " +
    "limits, telemetry and logging. It is called with a cached session, which needs no query and is " +
    `its fastest case, and with an API key. ${connections} connections, ${seconds} s per round, ` +
    `${rounds} alternating rounds.`,
  run: (folder, log) =>
    withPostgres(folder, async ({ makeDatabase }) => {
      const databaseUrl = await makeDatabase("omoi");
      const options = {
        dataDir: join(folder, "data"),
        env: { OMOI_DATABASE_URL: databaseUrl },
      };
      return withServer(options, async (server, api) => {
        const ids: string[] = [];
        for (let number = 1; number <= organizationCount; number += 1) {
          const { data } = await api.organizations.create({
            body: { name: `Organization ${number}` },
          });
          ids.push(data.id);
        }
        const orgId = ids[0] as string;
        await asOwner(databaseUrl, (client) =>
          client.query(addPeople, [memberCount, orgId, systemRoleIds.member]),
        );
        const { data: made } = await api.apiKeys.create({ body: { name: "Bench" } });
        const theirs = await startBetterAuth({
          databaseUrl: await makeDatabase("better_auth"),
          organizationCount,
          memberCount,
        });
        try {
          const rows: Row[] = [];
          for (const call of callsOn(orgId, theirs.organizationId)) {
            log(call.label);
            const url = `${theirs.origin}/api/auth/organization${call.theirs.path}`;
            const { body } = call.theirs;
            rows.push(
              ...(await compare(call, {
                ours: {
                  url: server.url + call.path,
                  headers: { authorization: `Bearer ${made.key}` },
                },
                cookie: request(url, { cookie: theirs.cookie, origin: theirs.origin }, body),
                key: request(url, { "x-api-key": theirs.key, origin: theirs.origin }, body),
              })),
            );
          }
          return rows;
        } finally {
          theirs.stop();
        }
      });
    }),
};

const addPeople = `
  with people as (
    insert into users (id, email, full_name)
    select gen_random_uuid(), format('person-%s@example.com', n), 'Person ' || n
    from generate_series(2, $1::int) n returning id
  )
  insert into memberships (id, org_id, user_id, role_id)
  select gen_random_uuid(), $2, id, $3 from people`;

interface Request {
  url: string;
  headers: Record<string, string>;
  body?: string;
}

function request(url: string, headers: Record<string, string>, body?: string): Request {
  if (body === undefined) return { url, headers };
  return { url, headers: { ...headers, "content-type": "application/json" }, body };
}

async function compare(
  { label, target, proof }: Call,
  requests: Record<"ours" | "cookie" | "key", Request>,
): Promise<Row[]> {
  for (const one of Object.values(requests)) await prove(one, proof);
  const measure = (of: Request) => async () =>
    (await load({ ...of, connections, seconds })).requestsPerSecond;
  const figures = await interleave(rounds, {
    ours: measure(requests.ours),
    cookie: measure(requests.cookie),
    key: measure(requests.key),
  });
  const [ours, cookie, key] = [figures.ours, figures.cookie, figures.key].map(median) as [
    number,
    number,
    number,
  ];
  const perSecond = (value: number): string => `${Math.round(value)} requests/s`;
  return [
    {
      label,
      result: perSecond(ours),
      baseline: `${perSecond(cookie)}, better-auth with a cached session`,
      ratio: `${times(ours / cookie)} (${spread(figures.ours, figures.cookie)})`,
      target: `at least ${target} ×`,
      met: ours / cookie >= target,
    },
    {
      label: "… compared with an API key of better-auth",
      result: perSecond(ours),
      baseline: `${perSecond(key)}, better-auth with an API key`,
      ratio: `${times(ours / key)} (${spread(figures.ours, figures.key)})`,
      target: "",
      met: null,
    },
  ];
}

async function prove(
  { url, headers, body }: Request,
  [pattern, count]: Call["proof"],
): Promise<void> {
  const posted = body === undefined ? {} : { method: "POST", body };
  const text = await (await fetch(url, { headers, ...posted })).text();
  const found = text.match(pattern)?.length ?? 0;
  if (found !== count) throw new Error(`${url} has ${found} of ${count}: ${text.slice(0, 200)}`);
}
