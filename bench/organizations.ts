import { join } from "node:path";
import { startBareServer } from "./support/bare-route.js";
import { interleave, median, spread, times, type Benchmark } from "./support/harness.js";
import { load } from "./support/load.js";
import { withServer } from "./support/server.js";

const organizationCount = 20;
const connections = 50;
const seconds = 4;
const rounds = 5;

/** The request of the list page, typical for reads. */
export const organizations: Benchmark = {
  name: "organizations",
  method:
    `GET /api/v1/organizations with an API key and ${organizationCount} organizations, ` +
    `${connections} connections, ${seconds} s per round, ${rounds} rounds that alternate with a bare ` +
    "Fastify process whose only route sends the same bytes. A third process generates the load.",
  run: (folder, log) =>
    withServer({ dataDir: join(folder, "data") }, async (server, api) => {
      for (let number = 1; number <= organizationCount; number += 1) {
        await api.organizations.create({
          body: { name: `Organization ${number}`, description: "For the benchmark" },
        });
      }
      const { data: made } = await api.apiKeys.create({ body: { name: "Bench", scopes: ["*:*"] } });
      const headers = { authorization: `Bearer ${made.key}` };
      const url = `${server.url}/api/v1/organizations`;
      const text = await (await fetch(url, { headers })).text();
      const bare = await startBareServer(text);
      const p99: number[] = [];
      try {
        const measure = async (address: string): Promise<number> =>
          (await load({ url: address, connections, seconds, headers })).requestsPerSecond;
        const figures = await interleave(rounds, {
          api: async (round) => {
            log(`round ${round} of ${rounds}`);
            const result = await load({ url, connections, seconds, headers });
            p99.push(result.p99);
            return result.requestsPerSecond;
          },
          bytes: () => measure(bare.bytesUrl),
          json: () => measure(bare.jsonUrl),
        });
        const [ours, bytes, json] = [figures.api, figures.bytes, figures.json].map(median);
        if (ours === undefined || bytes === undefined || json === undefined)
          throw new Error("none");
        const perSecond = (value: number): string => `${Math.round(value)} requests/s`;
        return [
          {
            label: `List of ${organizationCount} organizations (${text.length} bytes)`,
            result: `${perSecond(ours)}, p99 ${median(p99)} ms`,
            baseline: `${perSecond(bytes)}, bare Fastify, same bytes`,
            ratio: `${times(ours / bytes)} (${spread(figures.api, figures.bytes)})`,
            target: "at least 0.5 ×",
            met: ours / bytes >= 0.5,
          },
          {
            label: "… compared with serializing the JSON per request",
            result: perSecond(ours),
            baseline: `${perSecond(json)}, bare Fastify, JSON.stringify`,
            ratio: `${times(ours / json)} (${spread(figures.api, figures.json)})`,
            target: "",
            met: null,
          },
        ];
      } finally {
        bare.stop();
      }
    }),
};
