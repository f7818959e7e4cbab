/** The tests that ids of another organization are answered as those that do not exist. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestApp, TestPerson } from "../server/app.js";
import { problemOf, send, withoutRequestId } from "../http/raw-request.js";
import { makeOrganization } from "../fixtures/factories.js";
import { makeServiceAccount } from "../fixtures/service-accounts.js";
import {
  type Ids,
  type Full,
  fill,
  idsOf,
  idsOfNothing,
  bodies,
  calls,
  ofOthers,
  innerOf,
  withInner,
  type Ask,
  askIn,
} from "./every-call.js";

interface Opened {
  app: TestApp;
  close: () => Promise<void>;
}

/** Declares the tests for an application. */
export const describeIsolation = (title: string, open: () => Promise<Opened>): void => {
  describe(title, () => {
    let app: TestApp;
    let close: () => Promise<void>;
    let ask: Ask;
    let theirs: Full;
    let own: Full;
    let stranger: TestPerson;
    let keysElsewhere: string[];
    beforeAll(async () => {
      ({ app, close } = await open());
      ask = askIn(app);
      theirs = await fill(app, await app.person("owner"));
      stranger = await app.person("stranger");
      own = await fill(app, stranger);
      // Same owner, so that only the key is restricted.
      const elsewhere = await makeOrganization(theirs.owner);
      keysElsewhere = await Promise.all(
        ["*", "project:read"].map(async (pattern) => {
          const scopes = [`org:${elsewhere.slug}:${pattern}`];
          const { data } = await theirs.owner.api.apiKeys.create({ body: { name: "k", scopes } });
          return data.key as string;
        }),
      );
      const { id } = elsewhere;
      const robot = await makeServiceAccount(app, theirs.owner, id, { role: "admin" });
      keysElsewhere.push(robot.key);
    });
    afterAll(() => close());

    test("every call with a body has an example", () => {
      const missing = calls.filter(({ call, endpoint }) => endpoint.body && !bodies[call]);
      expect(missing.map(({ call }) => call)).toEqual([]);
    });

    test.each(ofOthers)(
      "$call answers a stranger as if the resource did not exist",
      async (one) => {
        const { call, endpoint } = one;
        const real = await ask(call, endpoint, idsOf(theirs), stranger.token);
        const nothing = await ask(call, endpoint, idsOfNothing(), stranger.token);
        expect([404, 422]).toContain(real.status);
        expect(problemOf(real).code).toMatch(/^(not_found|validation_failed)$/);
        expect([real.status, withoutRequestId(real)]).toEqual([
          nothing.status,
          withoutRequestId(nothing),
        ]);
      },
    );

    test.each(withInner)(
      "$call with the caller's organization does not reach another's resources",
      async (one) => {
        const { call, endpoint } = one;
        const [mine, other, nothing] = [idsOf(own), idsOf(theirs), idsOfNothing()];
        const mixed = (ids: Ids): Ids => ({
          ...mine,
          ...Object.fromEntries(innerOf(endpoint).map((name) => [name, ids[name as keyof Ids]])),
          account_key_id: ids.account_key_id,
        });
        const real = await ask(call, endpoint, mixed(other), stranger.token, other);
        const absent = await ask(call, endpoint, mixed(nothing), stranger.token, nothing);
        expect([404, 422]).toContain(real.status);
        expect([real.status, withoutRequestId(real)]).toEqual([
          absent.status,
          withoutRequestId(absent),
        ]);
      },
    );

    test("organizations cannot be found by slug either", async () => {
      for (const { endpoint, call } of calls.filter(({ call }) =>
        /^(organizations|usage)\./.test(call),
      )) {
        if (endpoint.params === null) continue;
        const real = await ask(
          call,
          endpoint,
          { ...idsOf(theirs), org_id: theirs.slug },
          own.owner.token,
        );
        const nothing = await ask(
          call,
          endpoint,
          { ...idsOf(theirs), org_id: "no-such-one" },
          own.owner.token,
        );
        expect([real.status, withoutRequestId(real)]).toEqual([404, withoutRequestId(nothing)]);
      }
    });

    test("lists contain only the caller's rows, also if they name another organization", async () => {
      const { api: mine } = stranger;
      expect((await mine.organizations.list()).data.map(({ id }) => id)).toEqual([own.id]);
      expect((await mine.projects.list()).data.map(({ id }) => id)).toEqual([own.project.id]);
      expect((await mine.agents.list()).data.map(({ id }) => id)).toEqual([own.agent.id]);
      expect((await mine.apiKeys.list()).data.map(({ id }) => id)).toEqual([own.key.id]);
      const { data: byProject } = await mine.agents.list({
        query: { project_id: theirs.project.id },
      });
      expect(byProject).toEqual([]);
      for (const list of ["/api/v1/projects", "/api/v1/agents"]) {
        const at = (id: string) =>
          send(app, "GET", `${list}?organization_id=${id}`, { token: stranger.token });
        const [real, nothing] = [await at(theirs.id), await at(randomUUID())];
        expect([real.status, withoutRequestId(real)]).toEqual([422, withoutRequestId(nothing)]);
      }
    });

    test.each(ofOthers)(
      "$call answers a key of another organization as if the resource did not exist",
      async (one) => {
        const { call, endpoint } = one;
        for (const key of keysElsewhere) {
          const real = await ask(call, endpoint, idsOf(theirs), key);
          const nothing = await ask(call, endpoint, idsOfNothing(), key);
          expect(real.status).toBeGreaterThanOrEqual(400);
          expect([real.status, withoutRequestId(real)]).toEqual([
            nothing.status,
            withoutRequestId(nothing),
          ]);
        }
      },
    );

    test("rejects another organization's agent as a parent, and its role", async () => {
      for (const parent_agent_id of [theirs.agent.id, randomUUID()]) {
        const answer = await send(app, "POST", "/api/v1/agents", {
          token: stranger.token,
          body: { project_id: own.project.id, name: "child", parent_agent_id },
        });
        expect(problemOf(answer).errors).toEqual([
          {
            loc: ["body", "parent_agent_id"],
            msg: "does not name an agent of this project",
            type: "unknown_id",
          },
        ]);
      }
    });

    test.each(calls.filter(({ endpoint }) => endpoint.access !== "public"))(
      "$call is 401 without a credential",
      async ({ call, endpoint }) => {
        for (const ids of [idsOf(theirs), idsOfNothing()]) {
          const answer = await ask(call, endpoint, ids);
          expect([answer.status, problemOf(answer).code]).toEqual([401, "unauthenticated"]);
          expect(answer.headers.get("www-authenticate")).toBe("Bearer");
        }
      },
    );

    test("nothing of the other organization has changed", async () => {
      const { owner } = theirs;
      const org = { org_id: theirs.id };
      expect((await owner.api.organizations.get({ params: org })).data.name).not.toBe("Mine now");
      expect((await owner.api.members.list({ params: org })).data).toHaveLength(3);
      const { data: run } = await owner.api.runs.get({ params: { run_id: theirs.run.id } });
      // Its lease may have expired meanwhile, which is no change by the other organization.
      expect(["running", "lost"]).toContain(run.status);
      const { data: key } = await owner.api.apiKeys.get({ params: { key_id: theirs.key.id } });
      expect(key).toEqual(expect.objectContaining({ status: "active", name: "everything here" }));
      const { data: accounts } = await owner.api.serviceAccounts.list({ params: org });
      expect(accounts).toEqual([
        expect.objectContaining({ id: theirs.accountId, description: null, active_keys: 1 }),
      ]);
      const { data: invitations } = await owner.api.invitations.list({ params: org });
      expect(invitations).toEqual([
        expect.objectContaining({ id: theirs.invitation.id, status: "pending" }),
      ]);
      const agent = { agent_id: theirs.agent.id };
      const { data: workspace } = await owner.api.workspaces.get({ params: agent });
      expect(workspace.settings.auto_checkpoint).toBe(true);
      expect(workspace.counts).toEqual({ commits: 1, merges: 1, conflicts_resolved: 0 });
    });
  });
};
