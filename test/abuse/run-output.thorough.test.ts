/** Attacks through a run's variables and output. */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectProblem, type TestPerson } from "../support/server/app.js";
import { makeOrganization, makeProject, makeWorkspace } from "../support/fixtures/factories.js";
import { shell, waitForRunEnd } from "../support/fixtures/runs.js";
import { makeBystander, startServerUnderAttack } from "../support/server/server-under-attack.js";
import type { Bystander, ServerUnderAttack } from "../support/server/server-under-attack.js";

describe("the output of a hostile run", () => {
  let server: ServerUnderAttack;
  let innocent: Bystander;
  let attacker: TestPerson;
  let projectId: string;
  beforeAll(async () => {
    server = await startServerUnderAttack({}, ["--max-old-space-size=200"]);
    innocent = await makeBystander(server);
    attacker = await server.person("attacker");
    projectId = (await makeProject(attacker, (await makeOrganization(attacker)).id)).id;
  });
  afterAll(() => server.close());

  const textOf = async (runId: string): Promise<string> => {
    const response = await fetch(`${server.url}/api/v1/runs/${runId}/logs`, {
      headers: { authorization: `Bearer ${attacker.token}` },
    });
    expect(response.status).toBe(200);
    return response.text();
  };

  test("masks a variable of 31 000 characters, even after waiting in the queue", async () => {
    const secret = randomBytes(15_500).toString("hex");
    const { agent } = await makeWorkspace(attacker, projectId);
    const params = { agent_id: agent.id };
    // Without a line break and without further output: written by a timer.
    const command = shell('printf "it is %s." "$SECRET"; sleep 0.3');
    const body = { command, env: { SECRET: secret }, queue: true };
    await innocent.during(async () => {
      const first = (await attacker.api.runs.create({ params, body })).data;
      const queued = (await attacker.api.runs.create({ params, body })).data;
      expect(queued.status).toBe("queued");
      for (const { id } of [first, queued]) {
        expect((await waitForRunEnd(attacker, id)).status).toBe("succeeded");
        expect((await textOf(id)) === "it is ***.").toBe(true);
      }
    });
    expect(server.log()).not.toContain(secret.slice(0, 32));
  });

  test("rejects an environment that is too large to mask, and creates no run", async () => {
    const { agent } = await makeWorkspace(attacker, projectId);
    const params = { agent_id: agent.id };
    const env = Object.fromEntries(
      Array.from({ length: 8 }, (_, index) => [`VALUE_${index}`, `${index}${"é".repeat(30_000)}`]),
    );
    const command = shell("true");
    const problem = await innocent.during(() =>
      expectProblem(
        attacker.api.runs.create({ params, body: { command, env } }),
        422,
        "validation_failed",
      ),
    );
    expect(problem.errors).toMatchObject([{ loc: ["body", "env"], type: "too_large" }]);
    expect((await attacker.api.runs.list({ params })).data).toEqual([]);
  });

  test("many readers of a large log without line breaks do not fill the memory", async () => {
    const { agent } = await makeWorkspace(attacker, projectId);
    const params = { agent_id: agent.id };
    const mebibytes = 63;
    const command = shell(`head -c ${mebibytes}M /dev/zero | tr "\\0" x`);
    const { data } = await attacker.api.runs.create({ params, body: { command } });
    expect((await waitForRunEnd(attacker, data.id)).status).toBe("succeeded");
    const authorization = `Bearer ${attacker.token}`;
    // Compressed, it would be short.
    const headers = { authorization, "accept-encoding": "identity" };
    const url = `${server.url}/api/v1/runs/${data.id}/logs`;
    const statuses = await innocent.during(async () => {
      const stop = new AbortController();
      // No client reads the body: the server has to wait. What `tail` returns would fit in the buffers of a connection.
      const open = Array.from({ length: 100 }, (_, index) =>
        fetch(`${url}?times=${index % 2 === 0}`, {
          headers,
          signal: stop.signal,
        }),
      );
      const answers = (await Promise.all(open)).map(({ status }) => status);
      const refused = await fetch(url, { headers });
      await refused.body?.cancel();
      expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "5"]);
      stop.abort();
      return answers;
    });
    expect(new Set(statuses)).toEqual(new Set([200]));
    // Compression takes time instead of memory, in threads that others need, too.
    const compressed = await innocent.during(async () => {
      const open = Array.from({ length: 40 }, async (_, index) => {
        const encoding = index % 2 === 0 ? "br" : "gzip";
        const response = await fetch(url, {
          headers: { authorization, "accept-encoding": encoding },
        });
        await response.body?.pipeTo(new WritableStream());
        return [response.status, response.headers.get("content-encoding") === encoding];
      });
      return Promise.all(open);
    });
    expect(new Set(compressed.map(String))).toEqual(new Set(["200,true"]));
    expect((await textOf(data.id)).length).toBeGreaterThan(mebibytes * 1000 * 1000);
  }, 240_000);
});
