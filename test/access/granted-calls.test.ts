import fastify from "fastify";
import { beforeAll, describe, expect, test } from "vitest";
import { api } from "#shared/api/index.js";
import type { Endpoint } from "#shared/contract/endpoint.js";
import { routesOf, type RouteOptions } from "#server/http/register-routes.js";
import { sharedTestApp, type TestApp } from "../support/server/app.js";
import { type Ask, askIn } from "../support/access/every-call.js";
import { enter, expectGrantedCalls, gateRole, walk } from "../support/access/walk-calls.js";

describe("exactly the granted calls succeed", () => {
  let app: TestApp;
  let ask: Ask;
  beforeAll(async () => {
    app = await sharedTestApp();
    ask = askIn(app);
  });

  // The other roles are in granted-calls.thorough.test.ts.
  test(`for ${gateRole}, on every call`, () => expectGrantedCalls(app, gateRole), 120_000);

  test("for an owner's restricted key, on every call", async () => {
    const { person, ids, slug } = await enter(app, "owner");
    const scopes = [`org:${slug}:project:read`];
    const { data: key } = await person.api.apiKeys.create({ body: { name: "narrow", scopes } });
    const { data: child } = await app
      .client(key.key as string)
      .apiKeys.create({ body: { name: "narrow too", scopes } });
    const { wrong, lost } = await walk(ask, {
      token: key.key as string,
      may: (permission) => permission === "project:read",
      isKey: true,
      ids: { ...ids, key_id: child.id },
    });
    // A key cannot create a key with more rights, which is a different error.
    expect(wrong.toSorted()).toEqual([
      "apiKeys.create: 403 privilege_escalation, not let through",
      "apiKeys.narrow: 403 privilege_escalation, not let through",
    ]);
    expect(lost).toEqual([]);
  });

  test("a call without a declared access is not served", async () => {
    const undeclared = { ...api.roles.permissions, access: undefined } as unknown as Endpoint;
    const handlers = { open: async () => [] } as never;
    const serve = () => routesOf({ open: undeclared }, handlers)(fastify(), {} as RouteOptions);
    expect(serve).toThrow("/api/v1/permissions declares no access");
  });
});
