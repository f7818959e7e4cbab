/** The limit on the calls of a run in a minute. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { startLiveRun } from "#test/support/models/live-run.js";
import {
  answerJson,
  startModelServer,
  type ModelServer,
} from "#test/support/models/model-server.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";

const PER_MINUTE = 20;

let app: TestApp;
let provider: ModelServer;
beforeAll(async () => {
  provider = await startModelServer();
  app = await startTestApp(
    {
      OMOI_MODEL_PRIVATE_HOSTS: "true",
      OMOI_MODEL_CALLS_PER_MINUTE: String(PER_MINUTE),
      OMOI_RUN_STOP_GRACE_SECONDS: "1",
    },
    "real",
  );
});
afterAll(async () => {
  await app.close();
  await provider.close();
});

test("a run that calls too often is refused in the provider's form, and no other", async () => {
  const owner = await app.person("Ada");
  const org = await makeOrganization(owner);
  const project = await makeProject(owner, org.id);
  for (const name of ["anthropic", "openai"]) {
    await owner.api.organizationSecrets.set({
      params: { org_id: org.id, name: name.toUpperCase() },
      body: { kind: "model", provider: name, value: "the-key", base_url: provider.url },
    });
  }
  const [hostile, other] = [
    await startLiveRun(owner, project.id),
    await startLiveRun(owner, project.id),
  ];
  provider.respond((response) => answerJson(response, { model: "m" }));
  const call = (token: string, path = "anthropic/v1/messages"): Promise<Response> =>
    fetch(`${app.url}/models/${path}`, {
      method: "POST",
      headers: { "x-api-key": token },
      body: "{}",
    });
  const answers = await Promise.all(
    Array.from({ length: 3 * PER_MINUTE }, () => call(hostile.token)),
  );
  const statuses = answers.map(({ status }) => status);
  // A call is made up for in three seconds.
  const passed = statuses.filter((status) => status === 200).length;
  expect(passed).toBeGreaterThanOrEqual(PER_MINUTE);
  expect(passed).toBeLessThanOrEqual(PER_MINUTE + 2);
  expect(statuses.filter((status) => status === 429)).toHaveLength(3 * PER_MINUTE - passed);
  expect(provider.calls).toHaveLength(passed);
  const refused = answers.find(({ status }) => status === 429) as Response;
  const seconds = Number(refused.headers.get("retry-after"));
  expect(seconds).toBeGreaterThanOrEqual(1);
  expect(seconds).toBeLessThanOrEqual(3);
  expect(await refused.json()).toMatchObject({
    type: "error",
    error: { type: "rate_limit_error", code: "rate_limited" },
  });
  const openAi = await call(hostile.token, "openai/v1/responses");
  expect(await openAi.json()).toMatchObject({ error: { type: "requests", code: "rate_limited" } });
  for (let nth = 0; nth < PER_MINUTE; nth += 1) {
    expect((await call(other.token)).status).toBe(200);
  }
  await Promise.all([hostile.end(), other.end()]);
});
