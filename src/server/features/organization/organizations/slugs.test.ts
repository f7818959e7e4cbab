import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { systemRoleIds } from "../../../db/migrate.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { fieldsOf, send } from "#test/support/http/raw-request.js";

describe("slugs of organizations", () => {
  let app: TestApp;
  let owner: TestPerson;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
  });

  const create = async (name: string, slug?: string) =>
    (await owner.api.organizations.create({ body: slug === undefined ? { name } : { name, slug } }))
      .data;

  test.each([
    ["Slug Corp", "slug-corp"],
    ["  Über & Söhne GmbH! ", "uber-sohne-gmbh"],
    ["Acme -- 42", "acme-42"],
    ["x".repeat(255), "x".repeat(60)],
    [`${"y".repeat(59)} z`, "y".repeat(59)],
    ["東京", "organization-1"],
    ["x", "x-org"],
    ["New", "new-org"],
    ["API", "api-org"],
    ["01234567-89ab-7def-8123-456789abcdef", "01234567-89ab-7def-8123-456789abcdef-org"],
  ])("the name %j gives the slug %s", async (name, slug) => {
    expect((await create(name)).slug).toBe(slug);
  });

  test("a derived slug that is taken gets a number", async () => {
    const slugs = [];
    for (let number = 0; number < 3; number += 1) slugs.push((await create("Twin")).slug);
    expect(slugs).toEqual(["twin", "twin-2", "twin-3"]);
  });

  test("numbered slugs of the longest name stay within 63 characters", async () => {
    const name = "Very long name ".repeat(10);
    const base = (await create(name)).slug;
    const { id } = await create("Holder of numbers");
    await app.db.systemPool.query(
      `insert into organization_slugs (slug, org_id)
       select $1 || '-' || n, $2 from generate_series(2, 1000) n where length($1 || '-' || n) <= 63`,
      [base, id],
    );
    const { slug } = await create(name);
    expect(slug.length).toBeLessThanOrEqual(63);
    const found = await owner.api.organizations.get({ params: { org_id: slug } });
    expect(found.data.slug).toBe(slug);
  });

  test("twenty concurrent creations with one name succeed with distinct slugs", async () => {
    const made = await Promise.all(Array.from({ length: 20 }, () => create("Throng")));
    const slugs = made.map(({ slug }) => slug);
    expect(new Set(slugs).size).toBe(20);
    for (const slug of slugs) expect(slug).toMatch(/^throng(-\d+)?$/);
  });

  test("a requested slug that is taken is rejected with a free one", async () => {
    await create("Taken", "taken");
    const body = { name: "Other", slug: "taken" };
    const problem = await expectProblem(
      owner.api.organizations.create({ body }),
      409,
      "slug_taken",
    );
    expect(problem.suggestion).toBe("taken-2");
    expect(fieldsOf(problem)).toEqual(["body.slug"]);
    expect((await create("Other", problem.suggestion as string)).slug).toBe("taken-2");
    const outcomes = await Promise.allSettled(
      Array.from({ length: 5 }, () => create("Race", "race-for-it")),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  const bad = [
    "",
    "a",
    "A",
    "Acme",
    "acme_corp",
    "acme corp",
    "acme.corp",
    "-acme",
    "acme-",
    "acme--corp",
    "acme/corp",
    "../acme",
    "acmé",
    "ａｃｍｅ",
    "acme\n",
    "acme\u0000",
    "acme%20corp",
    "a".repeat(64),
    "--",
    "😀😀",
    "acme\u200b",
    " acme",
  ];
  test.each(bad)("%j is 422 naming the slug, on creation and change", async (slug) => {
    const body = { name: "Acme", slug };
    for (const call of [
      () => owner.api.organizations.create({ body }),
      async () => {
        const { id } = await create("Any");
        return owner.api.organizations.update({ params: { org_id: id }, body });
      },
    ]) {
      expect(fieldsOf(await expectProblem(call(), 422, "validation_failed"))).toEqual([
        "body.slug",
      ]);
    }
  });

  test.each(["new", "settings", "api", "git", "login", "01234567-89ab-7def-8123-456789abcdef"])(
    "%s is reserved",
    async (slug) => {
      const body = { name: "Acme", slug };
      const created = await expectProblem(
        owner.api.organizations.create({ body }),
        422,
        "slug_reserved",
      );
      expect(fieldsOf(created)).toEqual(["body.slug"]);
      const { id } = await create("Any");
      const change = owner.api.organizations.update({ params: { org_id: id }, body: { slug } });
      await expectProblem(change, 422, "slug_reserved");
    },
  );

  test("an old slug keeps leading to its organization and is never reassigned", async () => {
    const org = await create("Renamed", "first-name");
    const rename = async (org_id: string, slug: string) =>
      (await owner.api.organizations.update({ params: { org_id }, body: { slug } })).data;
    expect((await rename(org.id, "second-name")).slug).toBe("second-name");
    for (const org_id of ["first-name", "second-name"]) {
      const { data } = await owner.api.organizations.get({ params: { org_id } });
      expect([data.id, data.slug]).toEqual([org.id, "second-name"]);
    }
    const body = { name: "Thief", slug: "first-name" };
    const problem = await expectProblem(
      owner.api.organizations.create({ body }),
      409,
      "slug_taken",
    );
    expect(problem.suggestion).toBe("first-name-2");
    const other = await create("Other thief");
    await expectProblem(rename(other.id, "first-name"), 409, "slug_taken");
    await expectProblem(rename(other.id, "second-name"), 409, "slug_taken");
    const kept = await owner.api.organizations.get({ params: { org_id: other.id } });
    expect(kept.data.slug).toBe(other.slug);
    expect((await create("First name")).slug).toBe("first-name-2");
    // An organization can reclaim its former slug and keep its current one.
    expect((await rename(org.id, "first-name")).slug).toBe("first-name");
    expect((await rename(org.id, "first-name")).slug).toBe("first-name");
  });

  test("an invalid slug in a path is 404", async () => {
    for (const path of ["%00", "a%00b", "..%2f..", "%F0%9F%98%80", "x".repeat(64), "A B"]) {
      const answer = await send(app, "GET", `/api/v1/organizations/${path}`, {
        token: owner.token,
      });
      expect([path, answer.status]).toEqual([path, 404]);
    }
    const answer = await send(app, "GET", "/api/v1/organizations/%ff", { token: owner.token });
    expect(answer.status).toBe(400);
  });

  describe("slug checks", () => {
    const ask = async (slug: string, organization_id?: string, as = owner) =>
      (
        await as.api.organizations.slugAvailability({
          query: { slug, ...(organization_id === undefined ? {} : { organization_id }) },
        })
      ).data;

    test("report free slugs, and taken ones with a free suggestion", async () => {
      expect(await ask("asked-about")).toEqual({
        slug: "asked-about",
        available: true,
        suggestion: null,
        reason: null,
      });
      await create("Asked about");
      await create("Asked about");
      const answer = await ask("asked-about");
      expect(answer).toEqual({
        slug: "asked-about",
        available: false,
        suggestion: "asked-about-3",
        reason: 'is taken; try "asked-about-3"',
      });
      expect((await create("Other", answer.suggestion as string)).slug).toBe("asked-about-3");
    });

    test("report the reason for an invalid slug and a valid suggestion", async () => {
      for (const [slug, suggestion] of [
        ["Slug_Corp", "slug-corp"],
        ["x", "x-org"],
        ["slug-availability", "slug-availability-org"],
        ["settings", "settings-org"],
        ["--", "organization-1"],
      ] as const) {
        const body = { name: "Any", slug };
        const { problem } = await owner.api.organizations
          .create({ body })
          .then(() => Promise.reject(new Error(`${slug} was taken`)))
          .catch((error: { problem: { errors: { msg: string }[] } }) => error);
        const answer = await ask(slug);
        expect(answer).toMatchObject({ available: false, reason: problem.errors[0]?.msg });
        expect((await ask(answer.suggestion as string)).available).toBe(true);
        expect(answer.suggestion).toMatch(new RegExp(`^${suggestion}(-\\d+)?$`));
      }
    });

    test("accept an organization's own former slugs for members who may change it", async () => {
      const org = await create("Asker", "asker-one");
      const params = { org_id: org.id };
      await owner.api.organizations.update({ params, body: { slug: "asker-two" } });
      for (const slug of ["asker-one", "asker-two"]) {
        expect((await ask(slug)).available).toBe(false);
        expect((await ask(slug, org.id)).available).toBe(true);
      }
      const other = await create("Other asker");
      expect((await ask("asker-one", other.id)).available).toBe(false);

      const viewer = await app.person("viewer");
      const member = { user_id: viewer.id, role_id: systemRoleIds.viewer };
      await owner.api.members.add({ params, body: member });
      const refused = await expectProblem(
        ask("asker-one", org.id, viewer),
        403,
        "insufficient_permission",
      );
      expect(refused.missing_permissions).toEqual(["org:write"]);
      const stranger = await app.person("stranger");
      for (const id of [org.id, randomUUID()]) {
        const problem = await expectProblem(
          ask("asker-one", id, stranger),
          422,
          "validation_failed",
        );
        expect(fieldsOf(problem)).toEqual(["query.organization_id"]);
      }
    });

    test("reject keys that could not take the slug", async () => {
      const org = await create("Of a key");
      const keyFor = async (...scopes: string[]) => {
        const { data } = await owner.api.apiKeys.create({ body: { name: "k", scopes } });
        return { ...owner, api: app.client(data.key as string) };
      };
      const scoped = await keyFor(`org:${org.slug}:*`);
      await expectProblem(ask("any-slug", undefined, scoped), 403, "insufficient_permission");
      expect((await ask("any-slug", org.id, scoped)).available).toBe(true);
      const reader = await keyFor(`org:${org.slug}:org:read`);
      await expectProblem(ask("any-slug", org.id, reader), 403, "insufficient_permission");
      expect((await ask("any-slug", undefined, await keyFor("*:*"))).available).toBe(true);
    });

    test.each([{}, { slug: "" }, { slug: "x".repeat(256) }, { slug: "a", colour: "red" }])(
      "reject %o as malformed",
      async (query) => {
        const call = owner.api.organizations.slugAvailability({ query: query as { slug: string } });
        await expectProblem(call, 422, "validation_failed");
      },
    );

    test("are limited to 120 a minute per user", async () => {
      const hasty = await app.person("hasty");
      // Windows are clock minutes: the requests may fall into two.
      const calls = Array.from({ length: 241 }, () =>
        ask("hasty", undefined, hasty).then(
          () => 200,
          (error: { problem: { status: number; code: string } }) => {
            expect(error.problem.code).toBe("rate_limited");
            return error.problem.status;
          },
        ),
      );
      const statuses = await Promise.all(calls);
      expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(120);
      expect(statuses).toContain(429);
      expect((await ask("hasty")).available).toBe(true);
    });
  });
});
