// Thorough: attacks beside an innocent organization, for some seconds each.
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeOrganization, makeProject } from "../support/fixtures/factories.js";
import { prepareForgeEvents, prepareModelRequests } from "../support/fixtures/json-floods.js";
import { makeBystander, startServerUnderAttack } from "../support/server/server-under-attack.js";
import type { Bystander, ServerUnderAttack } from "../support/server/server-under-attack.js";

let server: ServerUnderAttack;
let innocent: Bystander;
beforeAll(async () => {
  server = await startServerUnderAttack({ OMOI_FORGE_PRIVATE_HOSTS: "true" });
  innocent = await makeBystander(server);
});
afterAll(() => server?.close());

test.each([
  ["requests of a run to a model", 400, prepareModelRequests],
  ["events of a forge", 200, prepareForgeEvents],
] as const)(
  "%s that take long to read delay no other organization",
  async (_name, status, prepare) => {
    const person = await server.person("attacker");
    const { id: orgId } = await makeOrganization(person);
    const { id: projectId } = await makeProject(person, orgId);
    const send = await prepare({ person, url: server.url, orgId, projectId });
    const kinds = ["read", "list", "change"] as const;
    const statuses = await innocent.during(
      async () => {
        const all: number[] = [];
        const sender = async (): Promise<void> => {
          for (let nth = 0; nth < 4; nth += 1) {
            const answer = await send();
            await answer.arrayBuffer();
            all.push(answer.status);
          }
        };
        await Promise.all(Array.from({ length: 4 }, sender));
        return all;
      },
      { kinds },
    );
    // A run holds at most 64 MiB of requests.
    const others = statuses.filter((one) => one !== status && one !== 503);
    expect(others).toEqual([]);
    expect(statuses.filter((one) => one === status).length).toBeGreaterThan(3);
  },
);
