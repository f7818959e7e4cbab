import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { defaultContainers } from "#shared/api/execution/containers.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import { systemRoleIds } from "../../../db/migrate.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { gitInRepository } from "#test/support/git/git.js";
import { fieldsOf, send, withoutRequestId } from "#test/support/http/raw-request.js";

describe("projects", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
  });

  type Body = Parameters<typeof owner.api.projects.create>[0]["body"];
  const create = async (body: Omit<Body, "organization_id">) =>
    (await owner.api.projects.create({ body: { organization_id: org.id, ...body } })).data;

  test("an empty project is ready immediately with one empty commit", async () => {
    const { status, data } = await owner.api.projects.create({
      body: { organization_id: org.id, name: "Web Site", description: "Ours" },
    });
    expect(status).toBe(201);
    expect(data).toEqual({
      id: expect.any(String) as string,
      organization_id: org.id,
      name: "Web Site",
      slug: "web-site",
      description: "Ours",
      default_branch: "main",
      import_url: null,
      default_preset: null,
      default_model: null,
      stuck_after_minutes: 15,
      hold_untrusted_tasks: true,
      status: "ready",
      progress: 100,
      error: null,
      clone_url: `${app.url}/git/${org.slug}/web-site.git`,
      upstream: null,
      merge_drivers: [],
      max_model_cost_usd: null,
      max_model_tokens: null,
      protected_branches: [
        {
          pattern: "main",
          approvals: 0,
          checks: [],
          strategy: null,
          dismiss_stale_approvals: true,
          resolve_threads: false,
          reviews: [],
        },
      ],
      kubernetes: { image: null, cpus: null, memory_mib: null, disk_mib: null },
      counts: { agents: 0, workspaces: 0, merges: 0 },
      created_at: expect.any(String) as string,
      updated_at: expect.any(String) as string,
    });
    expect(await gitInRepository(app, data, "log", "--format=%s|%P", "main")).toBe(
      "Initial commit|",
    );
    expect(await gitInRepository(app, data, "ls-tree", "main")).toBe("");
    const params = { project_id: data.id };
    expect((await owner.api.projects.get({ params })).data).toEqual(data);
  });

  test("the branch may have another name, but not an agent's", async () => {
    const project = await create({ name: "Trunk", default_branch: "trunk/one" });
    expect(project.default_branch).toBe("trunk/one");
    expect(await gitInRepository(app, project, "symbolic-ref", "HEAD")).toBe(
      "refs/heads/trunk/one",
    );
    const bad = [
      "workspace-worker-1",
      "",
      "HEAD",
      "-x",
      "a b",
      "a..b",
      "a.lock",
      "a/",
      "/a",
      "a~1",
    ];
    for (const default_branch of [...bad, "a:b", "a\\b", "a@{1}", "ä", ".a", "a//b", "a/.b"]) {
      const problem = await expectProblem(
        create({ name: "Bad", default_branch }),
        422,
        "validation_failed",
      );
      expect([default_branch, fieldsOf(problem)]).toEqual([
        default_branch,
        ["body.default_branch"],
      ]);
    }
  });

  test("a slug is derived and numbered, or requested and rejected with a free one", async () => {
    expect((await create({ name: "Twin" })).slug).toBe("twin");
    expect((await create({ name: "Twin" })).slug).toBe("twin-2");
    expect((await create({ name: "東京" })).slug).toBe("project-1");
    const problem = await expectProblem(create({ name: "Other", slug: "twin" }), 409, "slug_taken");
    expect([problem.suggestion, fieldsOf(problem)]).toEqual(["twin-3", ["body.slug"]]);
    const other = await makeOrganization(owner);
    const body = { organization_id: other.id, name: "Twin" };
    expect((await owner.api.projects.create({ body })).data.slug).toBe("twin");
    for (const slug of ["", "A", "a", "a--b", "-a", "a/b", "a".repeat(64), "a.git"]) {
      const refused = await expectProblem(create({ name: "x", slug }), 422, "validation_failed");
      expect(fieldsOf(refused)).toEqual(["body.slug"]);
    }
  });

  test("ten concurrent creations with one name get distinct slugs", async () => {
    const made = await Promise.all(Array.from({ length: 10 }, () => create({ name: "Crowd" })));
    expect(new Set(made.map(({ slug }) => slug)).size).toBe(10);
  });

  test("name and description change; null clears", async () => {
    const { id, slug } = await create({ name: "Before", description: "d" });
    const params = { project_id: id };
    const update = async (body: object) => (await owner.api.projects.update({ params, body })).data;
    expect(await update({ name: "After" })).toMatchObject({
      name: "After",
      description: "d",
      slug,
    });
    expect(await update({ description: null })).toMatchObject({ name: "After", description: null });
    expect(await update({})).toMatchObject({ name: "After", description: null });
    for (const [body, field] of [
      [{ name: null }, "body.name"],
      [{ name: "" }, "body.name"],
      [{ slug: "other" }, "body.slug"],
      [{ status: "failed" }, "body.status"],
      [{ organization_id: org.id }, "body.organization_id"],
      [{ import_url: "https://example.com/x.git" }, "body.import_url"],
    ] as [object, string][]) {
      expect(fieldsOf(await expectProblem(update(body), 422, "validation_failed"))).toEqual([
        field,
      ]);
    }
  });

  test("merge drivers change as a list, with an audit event", async () => {
    const { id, merge_drivers } = await create({ name: "Drivers" });
    expect(merge_drivers).toEqual([]);
    const params = { project_id: id };
    const update = async (body: object) => (await owner.api.projects.update({ params, body })).data;
    const first = { pattern: "**/package-lock.json", driver: "json" } as const;
    const second = { pattern: "go.sum", driver: "union" } as const;
    expect(await update({ merge_drivers: [first, second] })).toMatchObject({
      merge_drivers: [first, second],
    });
    expect(await update({ name: "Renamed" })).toMatchObject({ merge_drivers: [first, second] });
    expect((await update({ merge_drivers: [second, first] })).merge_drivers).toEqual([
      second,
      first,
    ]);
    expect((await update({ merge_drivers: [second, first] })).merge_drivers).toHaveLength(2);
    const query = { action: "project.updated", limit: 3 } as const;
    const { data: events } = await owner.api.audit.list({ params: { org_id: org.id }, query });
    expect(events.map(({ changes }) => changes)).toEqual([
      {
        merge_drivers: {
          from: ["**/package-lock.json: json", "go.sum: union"],
          to: ["go.sum: union", "**/package-lock.json: json"],
        },
      },
      { name: { from: "Drivers", to: "Renamed" } },
      { merge_drivers: { from: [], to: ["**/package-lock.json: json", "go.sum: union"] } },
    ]);
    const many = (count: number) =>
      Array.from({ length: count }, (_, at) => ({ ...second, pattern: `f${at}` }));
    expect((await update({ merge_drivers: many(50) })).merge_drivers).toHaveLength(50);
    const path = (length: number) => [{ ...second, pattern: "x".repeat(length) }];
    expect((await update({ merge_drivers: path(200) })).merge_drivers).toEqual(path(200));
    for (const [list, field] of [
      [many(51), ""],
      [path(201), ".0.pattern"],
      [[first, { ...second, pattern: "a//b" }], ".1.pattern"],
      [[{ ...first, pattern: "" }], ".0.pattern"],
      [[{ ...first, pattern: "../x" }], ".0.pattern"],
      [[{ ...first, pattern: "a**" }], ".0.pattern"],
      [[first, second, { ...first, driver: "union" }], ".2.pattern"],
      [[{ ...first, driver: "ours" }], ".0.driver"],
      [[{ pattern: "x" }], ".0.driver"],
      [[{ ...first, command: "x" }], ".0.command"],
      [null, ""],
      [{}, ""],
    ] as [unknown, string][]) {
      const problem = await expectProblem(
        update({ merge_drivers: list }),
        422,
        "validation_failed",
      );
      expect(fieldsOf(problem)).toEqual([`body.merge_drivers${field}`]);
    }
    expect((await update({ merge_drivers: [] })).merge_drivers).toEqual([]);
    const stranger = await app.person("stranger");
    const foreign = stranger.api.projects.update({ params, body: { merge_drivers: [] } });
    await expectProblem(foreign, 404, "not_found");
  });

  test("the containers are replaced as a whole, with an audit event", async () => {
    const { id, kubernetes: none } = await create({ name: "Containers" });
    expect(none).toEqual({ image: null, cpus: null, memory_mib: null, disk_mib: null });
    const params = { project_id: id };
    const update = async (body: object) => (await owner.api.projects.update({ params, body })).data;
    const stored = () =>
      queryAsOwner(app, "select kubernetes from projects where id = $1", [params.project_id]);
    expect(await stored()).toEqual([{ kubernetes: null }]);
    const digest = `@sha256:${"a".repeat(64)}`;
    const own = {
      image: `registry.example.com:5000/tools/node:24${digest}`,
      cpus: 1.5,
      memory_mib: 2048,
      disk_mib: 10_240,
    };
    expect((await update({ kubernetes: own })).kubernetes).toEqual(own);
    expect(await stored()).toEqual([{ kubernetes: own }]);
    expect((await owner.api.projects.get({ params })).data.kubernetes).toEqual(own);
    const { data: list } = await owner.api.projects.list({ query: { organization_id: org.id } });
    expect(list.find((project) => project.id === id)?.kubernetes).toEqual(own);
    // Neither another field nor the same value changes it.
    expect((await update({ name: "Renamed" })).kubernetes).toEqual(own);
    await update({ kubernetes: own });
    const least = { ...none, cpus: 0.1, memory_mib: 256, disk_mib: 1_048_576 };
    expect((await update({ kubernetes: least })).kubernetes).toEqual(least);
    expect((await update({ kubernetes: none })).kubernetes).toEqual(none);
    const query = { action: "project.updated", limit: 4 } as const;
    const { data: events } = await owner.api.audit.list({ params: { org_id: org.id }, query });
    expect(events.map(({ changes }) => changes)).toEqual([
      { kubernetes: { from: least, to: none } },
      { kubernetes: { from: own, to: least } },
      { name: { from: "Containers", to: "Renamed" } },
      { kubernetes: { from: none, to: own } },
    ]);
    for (const [kubernetes, fields] of [
      [{ ...own, image: "" }, [".image"]],
      [{ ...own, image: "Node:24" }, [".image"]],
      [{ ...own, image: "node:24 --privileged" }, [".image"]],
      [{ ...own, image: "https://example.com/node" }, [".image"]],
      [{ ...own, cpus: 0 }, [".cpus"]],
      [{ ...own, cpus: 64.5 }, [".cpus"]],
      [{ ...own, cpus: "2" }, [".cpus"]],
      [{ ...own, memory_mib: 255 }, [".memory_mib"]],
      [{ ...own, memory_mib: 100.5, disk_mib: 1_048_577 }, [".disk_mib", ".memory_mib"]],
      [{ ...own, privileged: true }, [".privileged"]],
      [{ image: null }, [".cpus", ".disk_mib", ".memory_mib"]],
      [null, [""]],
      [[], [""]],
    ] as [unknown, string[]][]) {
      const problem = await expectProblem(update({ kubernetes }), 422, "validation_failed");
      expect(fieldsOf(problem).toSorted()).toEqual(fields.map((name) => `body.kubernetes${name}`));
    }
    const stranger = await app.person("stranger");
    const foreign = stranger.api.projects.update({ params, body: { kubernetes: own } });
    await expectProblem(foreign, 404, "not_found");
    expect((await owner.api.projects.get({ params })).data.kubernetes).toEqual(none);
  });

  test("another organization is indistinguishable from a missing one", async () => {
    const theirs = await makeOrganization(await app.person("stranger"));
    const token = owner.token;
    const at = (organization_id: unknown) =>
      send(app, "POST", "/api/v1/projects", { token, body: { organization_id, name: "x" } });
    const [foreign, nothing] = [await at(theirs.id), await at(randomUUID())];
    expect([foreign.status, withoutRequestId(foreign)]).toEqual([422, withoutRequestId(nothing)]);
    expect(fieldsOf(JSON.parse(foreign.text))).toEqual(["body.organization_id"]);
    for (const bad of [theirs.slug, null, 1, undefined]) {
      const answer = await at(bad);
      expect([answer.status, fieldsOf(JSON.parse(answer.text))]).toEqual([
        422,
        ["body.organization_id"],
      ]);
    }
    expect((await at(org.id.toUpperCase())).status).toBe(201);
  });

  test("are listed by organization or all together, in pages in creation order", async () => {
    const lister = await app.person("lister");
    const [one, two] = [await makeOrganization(lister), await makeOrganization(lister)];
    const ids: string[] = [];
    for (let number = 0; number < 5; number += 1) {
      const body = { organization_id: number < 3 ? one.id : two.id, name: `p${number}` };
      ids.push((await lister.api.projects.create({ body })).data.id);
    }
    const listed = async (query: { organization_id?: string; limit?: number; cursor?: string }) =>
      lister.api.projects.list({ query });
    expect((await listed({})).data.map(({ id }) => id)).toEqual(ids);
    const ofOne = await listed({ organization_id: one.id });
    expect(ofOne.data.map(({ id }) => id)).toEqual(ids.slice(0, 3));
    const seen: string[] = [];
    for (let next: string | undefined = "/api/v1/projects?limit=2"; next !== undefined;) {
      const { headers, text } = await send(app, "GET", next, { token: lister.token });
      seen.push(...(JSON.parse(text) as { id: string }[]).map(({ id }) => id));
      next = /<([^>]+)>; rel="next"/.exec(headers.get("link") ?? "")?.[1];
    }
    expect(seen).toEqual(ids);
    for (const cursor of ["x", Buffer.from('["\u0000"]').toString("base64url")]) {
      const problem = await expectProblem(listed({ cursor }), 422, "validation_failed");
      expect(fieldsOf(problem)).toEqual(["query.cursor"]);
    }
  });

  test("are written by members, read by viewers, and invisible to others", async () => {
    const viewer = await app.person("viewer");
    const body = { user_id: viewer.id, role_id: systemRoleIds.viewer };
    await owner.api.members.add({ params: { org_id: org.id }, body });
    const { id } = await create({ name: "Seen" });
    const params = { project_id: id };
    expect((await viewer.api.projects.get({ params })).data.id).toBe(id);
    for (const call of [
      () => viewer.api.projects.create({ body: { organization_id: org.id, name: "x" } }),
      () => viewer.api.projects.update({ params, body: { name: "x" } }),
      () => viewer.api.projects.update({ params, body: { kubernetes: defaultContainers } }),
    ]) {
      const problem = await expectProblem(call(), 403, "insufficient_permission");
      expect(problem.missing_permissions).toEqual(["project:write"]);
    }
    const stranger = await app.person("stranger");
    await expectProblem(stranger.api.projects.get({ params }), 404, "not_found");
  });
});
