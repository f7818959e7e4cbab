import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeBystander, startServerUnderAttack } from "../support/server/server-under-attack.js";
import type { Bystander, ServerUnderAttack } from "../support/server/server-under-attack.js";

describe("an innocent organization beside an attack", () => {
  let server: ServerUnderAttack;
  let innocent: Bystander;

  beforeAll(async () => {
    server = await startServerUnderAttack();
    innocent = await makeBystander(server);
  });
  afterAll(() => server.close());

  test("passes without an attack, and returns the attack's result", async () => {
    expect(await innocent.during(() => pause(500, "nothing"))).toBe("nothing");
  });

  test("fails if the server hangs", async () => {
    const standStill = async (): Promise<void> => {
      process.kill(server.pid, "SIGSTOP");
      await pause(5000);
      process.kill(server.pid, "SIGCONT");
    };
    const outcome = innocent.during(standStill, { kinds: ["read"], slowdown: 2 });
    await expect(outcome).rejects.toThrow("latencies of the innocent organization");
  });

  test("fails if the attack fails", async () => {
    const outcome = innocent.during(() => Promise.reject(new Error("failed")), { kinds: ["read"] });
    await expect(outcome).rejects.toThrow("failed");
  });
});
