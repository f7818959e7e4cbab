import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Forge, NewForge } from "#shared/api/work/forges.js";
import { expectProblem, startTestApp, type TestApp, type TestPerson } from "../server/app.js";
import { makeOrganization, makeProjectWith } from "../fixtures/factories.js";
import { waitUntilIdle, waitUntilReady } from "../fixtures/projects.js";
import type { ForgeDouble } from "./forge-double.js";
import { type DoubleKind, doubleStarts } from "./linked-project.js";

export const token = "a-token-of-the-forge-0123456789";

export let app: TestApp;
export let owner: TestPerson;
export let orgId: string;
export let double: ForgeDouble;

export async function start(kind: DoubleKind): Promise<void> {
  double = await doubleStarts[kind]();
  double.tokens.set(token, { login: "lead", reach: null });
  await double.addRepository("acme/shop", { "a.txt": "a\n" });
  await double.addRepository("acme/site", { "b.txt": "b\n" });
}

export const params = () => ({ org_id: orgId });
export const connect = async (
  kind: DoubleKind,
  more: Partial<NewForge> = { token },
): Promise<Forge> =>
  (
    await owner.api.forges.create({
      params: params(),
      body: { kind, url: double.url, api_url: double.apiUrl, ...more },
    })
  ).data;
export const importShop = async ({ id }: Forge) => {
  const body = { organization_id: orgId, name: "Shop", forge_id: id, repository: "acme/shop" };
  const { data } = await owner.api.projects.create({ body });
  return waitUntilReady(owner, data.id);
};

/** Declares the set-up for the tests of a file. */
export function prepareConnections(): void {
  beforeAll(async () => {
    app = await startTestApp({ OMOI_FORGE_PRIVATE_HOSTS: "true", OMOI_LOG_LEVEL: "error" });
    owner = await app.person("Ada");
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    orgId = (await makeOrganization(owner)).id;
  });
  afterEach(async () => {
    expect(double.violations).toEqual([]);
    await double.close();
  });
}

/** Declares the tests of connections to each kind of forge. */
export function describeConnections(kinds: readonly DoubleKind[]): void {
  describe.each(kinds)("a connection to %s", (kind) => {
    beforeEach(() => start(kind));

    test("is tried, lists repositories, and imports one", async () => {
      const forge = await connect(kind);
      expect(forge).toMatchObject({
        kind,
        name: new URL(double.url).host,
        auth: "token",
        account: "lead",
        status: "ok",
        status_reason: null,
        projects: 0,
      });
      expect(JSON.stringify(forge)).not.toContain(token);
      const at = { ...params(), forge_id: forge.id };
      const { data: all } = await owner.api.forges.repositories({ params: at });
      expect(all.map(({ name }) => name)).toEqual(["acme/shop", "acme/site"]);
      const { data: found } = await owner.api.forges.repositories({
        params: at,
        query: { q: "sho" },
      });
      expect(found).toEqual([
        {
          name: "acme/shop",
          url: `${double.url}/acme/shop`,
          description: "A shop",
          default_branch: "main",
          is_private: true,
        },
      ]);

      const project = await importShop(forge);
      expect(project.upstream).toMatchObject({
        url: `${double.url}/acme/shop.git`,
        credential: null,
        repository: { forge_id: forge.id, name: "acme/shop", url: `${double.url}/acme/shop` },
      });
      expect(double.gitTokens).toContain(token);
      const { data: branches } = await owner.api.projects.branches({
        params: { project_id: project.id },
      });
      expect(branches.map(({ name }) => name)).toEqual(["main"]);
      await expectProblem(
        owner.api.upstreams.setCredential({
          params: { project_id: project.id },
          body: { kind: "https_token", token: "other" },
        }),
        409,
        "repository_linked",
      );
    });

    test("is refused with the forge's reason", async () => {
      const problem = await expectProblem(
        connect(kind, { token: "wrong" }),
        422,
        "forge_unauthorized",
      );
      expect(problem.detail).toContain("Bad credentials");
      double.fault = () => ({ status: 503, body: { message: "Down for maintenance" } });
      await expectProblem(connect(kind), 422, "forge_unreachable");
    });

    test("links a project that exists, and is not deleted while it is in use", async () => {
      const forge = await connect(kind);
      const project = await makeProjectWith(owner, orgId, { "a.txt": "a\n" });
      const { data: linked } = await owner.api.upstreams.linkRepository({
        params: { project_id: project.id },
        body: { forge_id: forge.id, repository: "acme/site" },
      });
      expect(linked.upstream?.repository?.name).toBe("acme/site");
      const fetched = await waitUntilIdle(owner, project.id);
      expect(fetched.upstream).toMatchObject({ status: "idle", error: null });
      const at = { ...params(), forge_id: forge.id };
      expect((await owner.api.forges.get({ params: at })).data.projects).toBe(1);
      await expectProblem(owner.api.forges.delete({ params: at }), 409, "forge_in_use");
      await owner.api.forges.delete({ params: at, query: { unlink: "true" } });
      await expectProblem(owner.api.forges.get({ params: at }), 404, "not_found");
      const { data: left } = await owner.api.projects.get({ params: { project_id: project.id } });
      expect(left.upstream).toMatchObject({ repository: null, url: fetched.upstream?.url });
    });
  });
}
