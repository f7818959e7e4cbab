// Thorough: races of two processes.
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { expectProblem, startTestApp, type TestApp } from "#test/support/server/app.js";
import { addPasskey, localhost, signWith } from "#test/support/auth/software-authenticator.js";

describe("passkeys", () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_PUBLIC_URL: localhost });
  });
  afterAll(() => app.close());
  afterEach(() => {
    vi.useRealTimers();
  });

  const loginOptions = async () => (await app.client().passkeys.loginOptions()).data;
  const login = (response: ReturnType<typeof signWith>, at = app) =>
    at.client().passkeys.login({ body: { response } });

  test("a response works once, also when sent concurrently to two processes", async () => {
    const { api } = await app.person();
    const { passkey } = await addPasskey(api);
    const sibling = await app.sibling();
    const response = signWith(passkey, await loginOptions(), localhost);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 6 }, (_, index) => login(response, index % 2 ? app : sibling)),
    );
    await sibling.close();
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    await expectProblem(login(response), 401, "passkey_rejected");
    const late = signWith(passkey, await loginOptions(), localhost);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 5 * 60_000 + 1000 });
    await expectProblem(login(late), 401, "challenge_expired");
  });
});
