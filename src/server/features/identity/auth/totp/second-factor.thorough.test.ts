// Thorough: races of two processes, and many logins.
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { totpCode } from "#test/support/auth/totp-code.js";

describe("the second factor", () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Creates a user with an authenticator app; returns its secret and codes. */
  const withTotp = async (): Promise<TestPerson & { secret: string; codes: string[] }> => {
    const person = await app.person();
    const { data } = await person.api.secondFactor.startTotp({ body: {} });
    const secret = data.secret as string;
    const body = { code: totpCode(secret) };
    const { data: confirmed } = await person.api.secondFactor.confirmTotp({ body });
    return { ...person, secret, codes: confirmed.recovery_codes as string[] };
  };
  const login = ({ email, password }: TestPerson) =>
    app.client().auth.login({ body: { email, password } });
  const challengeFor = async (person: TestPerson): Promise<string> =>
    (await expectProblem(login(person), 401, "second_factor_required"))["challenge"] as string;
  const second = (challenge: string, code: string) =>
    app.client().secondFactor.login({ body: { challenge, code } });

  test("of many concurrent logins with one code on two processes one succeeds", async () => {
    const person = await withTotp();
    const sibling = await app.sibling();
    for (const code of [totpCode(person.secret, 1), person.codes[0] as string]) {
      const challenges = await Promise.all(Array.from({ length: 6 }, () => challengeFor(person)));
      const outcomes = await Promise.allSettled(
        challenges.map((challenge, index) =>
          (index % 2 ? app : sibling).client().secondFactor.login({ body: { challenge, code } }),
        ),
      );
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    }
    await sibling.close();
    expect((await person.api.secondFactor.get()).data.recovery_codes_left).toBe(9);
  });

  test("successful codes do not count as attempts", async () => {
    const person = await withTotp();
    for (const code of person.codes) {
      expect((await second(await challengeFor(person), code)).status).toBe(200);
    }
    const wrong = second(await challengeFor(person), "no-such-code");
    await expectProblem(wrong, 401, "invalid_code");
  });
});
