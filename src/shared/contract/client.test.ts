import { describe, expect, test } from "vitest";
import { ApiError, createClient, urlOf } from "./client.js";
import { api } from "../api/index.js";

describe("urlOf", () => {
  test("fills in the path, encoded, and appends the query", () => {
    expect(urlOf(api.organizations.list)).toBe("/api/v1/organizations");
    expect(urlOf(api.organizations.get, { params: { org_id: "acme-corp" } })).toBe(
      "/api/v1/organizations/acme-corp",
    );
    expect(urlOf(api.organizations.get, { params: { org_id: "../a?b#c d/ü" } })).toBe(
      "/api/v1/organizations/..%2Fa%3Fb%23c%20d%2F%C3%BC",
    );
    expect(urlOf(api.workspaces.commit, { params: { agent_id: "a", sha: "b" } })).toBe(
      "/api/v1/agents/a/workspace/commits/b",
    );
    expect(
      urlOf(api.agents.list, { query: { limit: 5, cursor: "a&b=c", status: undefined } }),
    ).toBe("/api/v1/agents?limit=5&cursor=a%26b%3Dc");
    expect(urlOf(api.agents.list, { query: { cursor: undefined } })).toBe("/api/v1/agents");
  });
});

describe("the client", () => {
  interface Seen {
    path: string;
    init: RequestInit;
  }
  const clientFor = (response: () => Response) => {
    const seen: Seen[] = [];
    const client = createClient((path, init) => {
      seen.push({ path, init });
      return Promise.resolve(response());
    });
    return { client, seen };
  };
  const problem = {
    type: "about:blank#validation_failed",
    title: "t",
    status: 422,
    detail: "slug is bad.",
    code: "validation_failed",
    request_id: "r",
    errors: [{ loc: ["body", "slug"], msg: "is bad", type: "x" }],
  };
  const json = (body: unknown, status = 200, type = "application/json") =>
    new Response(JSON.stringify(body), { status, headers: { "content-type": type } });

  test("sends a body as JSON, no body if there is none, and the caller's headers", async () => {
    const { client, seen } = clientFor(() => json({}, 201));
    await client.organizations.create({ body: { name: "A" } }, { headers: { "x-extra": "1" } });
    await client.organizations.list();
    expect(seen[0]).toMatchObject({
      path: "/api/v1/organizations",
      init: {
        method: "POST",
        body: '{"name":"A"}',
        headers: { "content-type": "application/json", accept: "application/json", "x-extra": "1" },
      },
    });
    expect(seen[1]?.init.body).toBeUndefined();
    expect(seen[1]?.init.headers).not.toHaveProperty("content-type");
  });

  test("returns status, headers and data; undefined for an empty response", async () => {
    const { client } = clientFor(() => new Response(null, { status: 204, headers: { link: "x" } }));
    const answer = await client.auth.logout();
    expect([answer.status, answer.data, answer.headers.get("link")]).toEqual([204, undefined, "x"]);
  });

  test("throws the problem, and finds the error of a field", async () => {
    const { client } = clientFor(() => json(problem, 422, "application/problem+json"));
    const error: unknown = await client.auth.me().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ApiError);
    const refused = error as ApiError;
    expect([refused.status, refused.code, refused.message]).toEqual([
      422,
      "validation_failed",
      "slug is bad.",
    ]);
    expect([refused.field("slug"), refused.field("name")]).toEqual(["is bad", undefined]);
  });

  test.each([
    () => new Response("<h1>502</h1>", { status: 502, headers: { "content-type": "text/html" } }),
    () => json({ error: "not ours" }, 502),
    () => new Response(null, { status: 502 }),
  ])("reports a response that is not from the API", async (response) => {
    const { client } = clientFor(response);
    await expect(client.auth.me()).rejects.toMatchObject({ status: 502, code: "unavailable" });
  });

  test("has a call for every endpoint", () => {
    const { client } = clientFor(() => json({}));
    for (const [resource, endpoints] of Object.entries(api)) {
      expect(Object.keys(client[resource as keyof typeof client])).toEqual(Object.keys(endpoints));
    }
  });
});
