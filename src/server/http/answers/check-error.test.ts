import { afterAll, beforeAll, expect, test } from "vitest";
import { api } from "#shared/api/index.js";
import { expectProblem, startTestApp, type TestApp } from "#test/support/server/app.js";
import { problemOf, send } from "#test/support/http/raw-request.js";

let app: TestApp;
beforeAll(async () => {
  // Routes are registered with these declarations.
  Object.assign(api.auth.login, { errors: [] });
  app = await startTestApp();
});
afterAll(() => app.close());

const body = { email: "nobody@example.com", password: "correct staple horse" };

test("an error that a call does not declare is a 500 that names the call and the code", async () => {
  const { detail } = await expectProblem(app.client().auth.login({ body }), 500, "internal");
  expect(detail).toBe("POST /api/v1/auth/login does not declare its error invalid_credentials.");
});

test("errors of the framework are checked too, and pass if they follow from the call", async () => {
  const answer = await send(app, "POST", "/api/v1/auth/login", {
    headers: { "content-type": "text/plain" },
    body: "x",
  });
  expect([answer.status, problemOf(answer).code]).toEqual([415, "unsupported_media_type"]);
});
