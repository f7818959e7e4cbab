import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import { startTestApp } from "#test/support/server/app.js";

test("one address reads the reference 600 times a minute, and no other address waits for it", async () => {
  const app = await startTestApp();
  try {
    const paths = ["/api/v1/openapi.json", "/api/docs", "/api/docs/errors", "/api/docs/projects"];
    const ask = (path: string) => fetch(app.url + path, { method: "HEAD" });
    let refused: Response | undefined;
    for (let at = 0; at < 2000 && refused === undefined; at += 1) {
      const answer = await ask(paths[at % paths.length] as string);
      if (answer.status === 200) continue;
      expect(at).toBeGreaterThanOrEqual(600);
      refused = answer;
    }
    expect(refused?.status).toBe(429);
    expect(Number(refused?.headers.get("retry-after"))).toBeGreaterThan(0);
    const problem = await (await fetch(`${app.url}/api/docs/schemas`)).json();
    expect(problem).toMatchObject({ code: "rate_limited" });
    const elsewhere = get(`${app.url}/api/v1/openapi.json`, { localAddress: "127.0.0.2" });
    const [answer] = (await once(elsewhere, "response")) as [IncomingMessage];
    expect(answer.statusCode).toBe(200);
    answer.destroy();
    expect((await fetch(`${app.url}/healthz`)).status).toBe(200);
  } finally {
    await app.close();
  }
});
