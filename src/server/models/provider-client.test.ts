import { afterAll, beforeAll, expect, test } from "vitest";
import { startModelServer, type ModelServer } from "#test/support/models/model-server.js";
import { createProviderClient, ProviderError } from "./provider-client.js";

let server: ModelServer;
beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());

const { signal } = new AbortController();
const options = { allowsPrivate: false, idleMs: 1000 };
const get = (url: string) => ({
  url: new URL(url),
  method: "GET",
  headers: {},
  body: null,
  signal,
});

test("addresses that are not public, or of this machine, are refused before a connection", async () => {
  const client = createProviderClient(options);
  const port = new URL(server.url).port;
  for (const url of [
    server.url.replace("http:", "https:"),
    `https://localhost:${port}/v1`,
    `https://[::1]:${port}/v1`,
    `https://[::ffff:127.0.0.1]:${port}/v1`,
    `https://0.0.0.0:${port}/v1`,
    `https://2130706433:${port}/v1`,
    `https://0x7f.1:${port}/v1`,
    "https://169.254.169.254/latest/meta-data",
    "https://10.0.0.1/v1",
    "https://[fd00::1]/v1",
    "https://[fe80::1]/v1",
  ]) {
    const refused = await client.send(get(url)).catch((error: unknown) => error);
    expect([url, refused]).toEqual([url, expect.any(ProviderError)]);
    expect((refused as Error).message).toMatch(/which is not public|of this machine/);
  }
  expect(server.calls).toEqual([]);
  client.close();
});

test("link-local addresses and unencrypted connections to public ones are refused, too", async () => {
  const open = createProviderClient({ ...options, allowsPrivate: true });
  for (const host of ["169.254.169.254", "100.100.100.200", "[64:ff9b::6464:64c8]"]) {
    await expect(open.send(get(`http://${host}/v1`))).rejects.toThrow("or metadata address");
  }
  open.close();
  const client = createProviderClient(options);
  await expect(client.send(get("http://192.0.2.1/v1"))).rejects.toThrow("must begin with https://");
  client.close();
});

test("are reached with the setting, by kept connections", async () => {
  const client = createProviderClient({ ...options, allowsPrivate: true });
  for (let nth = 0; nth < 3; nth += 1) {
    const answer = await client.send(get(`${server.url}/models`));
    expect(answer.statusCode).toBe(200);
    answer.resume();
    await new Promise((resolve) => answer.once("end", resolve));
  }
  expect(server.calls.map(({ path }) => path)).toEqual(["/v1/models", "/v1/models", "/v1/models"]);
  client.close();
});
