/** Attacks by requests that never complete. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openConnection, slowBody } from "../support/http/raw-connection.js";
import { makeBystander, startServerUnderAttack } from "../support/server/server-under-attack.js";
import type { Bystander, ServerUnderAttack } from "../support/server/server-under-attack.js";

const perAddress = 200;

describe("requests that never complete", () => {
  let server: ServerUnderAttack;
  let innocent: Bystander;
  beforeAll(async () => {
    server = await startServerUnderAttack({
      OMOI_REQUEST_TIMEOUT_SECONDS: "2",
      OMOI_MAX_CONNECTIONS_PER_ADDRESS: String(perAddress),
    });
    innocent = await makeBystander(server);
  });
  afterAll(() => server.close());

  test("end with 408, are limited per address, and delay no other request", async () => {
    const kinds = ["read", "list", "change"] as const;
    const answers = await innocent.during(
      async () => {
        const all: string[] = [];
        for (let round = 0; round < 20; round += 1) {
          const slow = Array.from({ length: 2 * perAddress }, (_one, index) =>
            openConnection(server, index % 2 === 0 ? slowBody : "GET / HTTP/1.1\r\n", "127.0.0.2"),
          );
          all.push(...(await Promise.all(slow.map(({ answer }) => answer))));
        }
        return all;
      },
      { kinds },
    );
    const timedOut = answers.filter((answer) => answer.startsWith("HTTP/1.1 408 "));
    const refused = answers.filter((answer) => /^(?:HTTP\/1\.1 429 |$)/.test(answer));
    expect(timedOut.length).toBeGreaterThan(0);
    expect(timedOut.length + refused.length).toBe(answers.length);
    expect(refused.length).toBeGreaterThanOrEqual(answers.length / 2);
  });
});
