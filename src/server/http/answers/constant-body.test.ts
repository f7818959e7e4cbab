import fastify from "fastify";
import { beforeAll, describe, expect, test } from "vitest";
import { sharedTestApp, type TestApp } from "#test/support/server/app.js";
import { constantBody, sendConstant } from "./constant-body.js";

test("each coding of a body is made once, also for requests at once", async () => {
  const app = fastify();
  const body = constantBody("text/plain; charset=utf-8", "text ".repeat(1000));
  app.get("/", (request, reply) => sendConstant(request, reply, body));
  const ask = (coding: string) =>
    app.inject({ url: "/", headers: coding === "" ? {} : { "accept-encoding": coding } });
  const first = await Promise.all([ask("br"), ask("br"), ask("br")]);
  const made = body.compressed.get("br");
  expect([...body.compressed.keys()]).toEqual(["br"]);
  await Promise.all([ask("br, gzip"), ask("gzip"), ask("")]);
  expect(body.compressed.get("br")).toBe(made);
  expect([...body.compressed.keys()]).toEqual(["br", "gzip"]);
  const bytes = await made;
  for (const { rawPayload } of first) expect(rawPayload).toEqual(bytes);
});

describe("texts that are the same for all", () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await sharedTestApp();
  });

  const ask = (path: string, headers: Record<string, string> = {}, method = "GET") =>
    fetch(app.url + path, { method, headers: { "accept-encoding": "identity", ...headers } });

  test.each([
    "/api/v1/openapi.json",
    "/api/docs",
    "/api/docs/errors",
    "/api/docs/schemas",
    "/api/docs/projects",
    "/api/docs.css",
    "/docs/README.md",
    "/docs/security.md",
  ])("%s has a tag, and is sent again only if it changed", async (path) => {
    const plain = await ask(path);
    const tag = plain.headers.get("etag") ?? "";
    expect([plain.status, plain.headers.get("content-encoding")]).toEqual([200, null]);
    expect(tag).toMatch(/^"[\w-]{22}"$/);
    expect(plain.headers.get("vary")).toBe("Accept-Encoding");
    expect(plain.headers.get("cache-control")).toBe("no-cache");
    const text = await plain.text();
    for (const [accepted, coding] of [
      ["gzip", "gzip"],
      ["gzip, br", "br"],
    ] as const) {
      // `fetch` decodes the body.
      const sent = await ask(path, { "accept-encoding": accepted });
      expect(sent.headers.get("content-encoding")).toBe(coding);
      expect([sent.headers.get("etag"), sent.headers.get("vary")]).toEqual([
        `W/${tag}`,
        "Accept-Encoding",
      ]);
      expect(await sent.text()).toBe(text);
      for (const known of [tag, `W/${tag}`, `"other", W/${tag}`, "*"]) {
        const same = await ask(path, { "accept-encoding": accepted, "if-none-match": known });
        expect([known, same.status, await same.text()]).toEqual([known, 304, ""]);
        expect([same.headers.get("etag"), same.headers.get("vary")]).toEqual([
          `W/${tag}`,
          "Accept-Encoding",
        ]);
        expect(same.headers.get("content-type")).toBeNull();
      }
      const head = await ask(path, { "accept-encoding": accepted }, "HEAD");
      expect([head.status, head.headers.get("content-encoding")]).toEqual([200, coding]);
    }
    const other = await ask(path, { "if-none-match": '"other"' });
    expect([other.status, await other.text()]).toEqual([200, text]);
  });

  test("a picture is sent as it is, with a tag", async () => {
    const path = "/docs/screenshots/run-log.png";
    const image = await ask(path, { "accept-encoding": "br" });
    expect([image.status, image.headers.get("content-encoding")]).toEqual([200, null]);
    expect(image.headers.get("content-type")).toBe("image/png");
    const tag = image.headers.get("etag") ?? "";
    expect((await ask(path, { "if-none-match": tag })).status).toBe(304);
  });
});
