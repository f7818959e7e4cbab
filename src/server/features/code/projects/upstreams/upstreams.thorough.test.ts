// Thorough: several processes, and waits for the server's operations.
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import { fingerprintOf } from "#git/upstream/ssh-key.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import {
  commitToRepository,
  git,
  gitInRepository,
  makeRepository,
  makeTempFolder,
  repoPathOf,
} from "#test/support/git/git.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { waitForImport, waitUntilIdle, waitUntilReady } from "#test/support/fixtures/projects.js";
import {
  startHttpsUpstream,
  startSshUpstream,
  upstreamCaFile,
  type HttpsUpstream,
  type SshUpstream,
} from "#test/support/git/upstream-servers.js";

const token = "ghp_a-token-that-nobody-may-see-9Zq1";

describe("the upstream of a project", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  let root: string;
  let source: string;
  let upstream: HttpsUpstream;
  beforeAll(async () => {
    app = await startTestApp({
      OMOI_IMPORT_PRIVATE_HOSTS: "true",
      OMOI_IMPORT_CA_FILE: upstreamCaFile,
    });
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    root = await makeTempFolder();
    source = join(root, "site");
    await makeRepository(source, { "a.txt": "1\n" });
    await git(["config", "receive.denyCurrentBranch", "updateInstead"], { cwd: source });
    upstream = await startHttpsUpstream(root);
    upstream.users.set("me", token);
  });
  afterEach(async () => {
    await upstream.close();
    await rm(root, { recursive: true, force: true });
  });

  const at = (project: { id: string }) => ({ project_id: project.id });
  const create = async (more: object = {}): Promise<Project> => {
    const { data } = await owner.api.projects.create({
      body: {
        organization_id: orgId,
        name: "Site",
        import_url: upstream.url("site/.git"),
        credential: { kind: "https_token", username: "me", token },
        ...more,
      },
    });
    return data;
  };
  const imported = async (): Promise<Project> => waitUntilReady(owner, (await create()).id);
  const fetched = async (project: Project): Promise<Project> => {
    const { status, data } = await owner.api.upstreams.fetch({ params: at(project) });
    expect([status, data.upstream?.status]).toEqual([202, "fetching"]);
    return waitUntilIdle(owner, project.id);
  };
  const head = (branch = "main") => git(["rev-parse", branch], { cwd: source });

  test("a wrong credential is reported and replaced, and the import restarted", async () => {
    const { id } = await create({ credential: { kind: "https_token", token: "expired" } });
    const failed = await waitForImport(owner, id);
    expect(failed.status).toBe("failed");
    expect(failed.error).toContain("expired or revoked");
    const { data } = await owner.api.upstreams.setCredential({
      params: { project_id: id },
      body: { kind: "https_token", username: "me", token },
    });
    expect(data.upstream?.credential).toMatchObject({ username: "me", hint: "…9Zq1" });
    const again = await owner.api.upstreams.fetch({ params: { project_id: id } });
    expect(again.data.status).toBe("importing");
    await waitUntilReady(owner, id);
    await owner.api.upstreams.removeCredential({ params: { project_id: id } });
    const params = { project_id: id };
    await expectProblem(owner.api.upstreams.removeCredential({ params }), 404, "not_found");
    await owner.api.upstreams.fetch({ params });
    const without = await waitUntilIdle(owner, id);
    expect(without.upstream).toMatchObject({ status: "failed", credential: null });
    expect(without.upstream?.error).toContain("requires a credential");
    expect(without.status).toBe("ready");
  });

  test("a member's fetch leaves a branch with checks or approvals as it is", async () => {
    const project = await imported();
    await owner.api.projects.update({
      params: at(project),
      body: {
        protected_branches: [
          { pattern: "main", approvals: 1 },
          { pattern: "release/*", approvals: 1 },
        ],
      },
    });
    const member = await app.person("member");
    await owner.api.members.add({
      params: { org_id: orgId },
      body: { user_id: member.id, role_id: systemRoleIds.member },
    });
    const before = await gitInRepository(app, project, "rev-parse", "main");
    await commitToRepository(source, { "unapproved.txt": "x\n" });
    await git(["branch", "release/1", "main"], { cwd: source });
    await git(["branch", "free", "main"], { cwd: source });
    await member.api.upstreams.fetch({ params: at(project) });
    const after = await waitUntilIdle(owner, project.id);
    expect(after.upstream?.last_fetch).toMatchObject({
      created: ["free"],
      updated: [],
      protected: ["main", "release/1"],
    });
    expect(await gitInRepository(app, project, "rev-parse", "main")).toBe(before);
    // The fetch of a person who may change the rules takes the upstream's state.
    expect((await fetched(project)).upstream?.last_fetch).toMatchObject({
      created: ["release/1"],
      updated: ["main"],
      protected: [],
    });
    expect(await gitInRepository(app, project, "rev-parse", "main")).toBe(await head());
  });

  test("a fetch is canceled in any process and leaves nothing behind", async () => {
    const project = await imported();
    const tip = await gitInRepository(app, project, "rev-parse", "main");
    await commitToRepository(source, { "later.txt": "1\n" });
    const other = await app.sibling();
    for (const through of [app, other]) {
      let reached = (): void => undefined;
      const there = new Promise<void>((resolve) => (reached = resolve));
      upstream.gate = async ({ method }) => {
        if (method !== "POST") return;
        reached();
        await new Promise(() => undefined);
      };
      await owner.api.upstreams.fetch({ params: at(project) });
      await there;
      const api = through.client(owner.token);
      const { status, data } = await api.upstreams.cancelFetch({ params: at(project) });
      expect([status, data.upstream?.status, data.upstream?.error]).toEqual([200, "idle", null]);
      await expectProblem(
        api.upstreams.cancelFetch({ params: at(project) }),
        409,
        "nothing_to_cancel",
      );
      const folder = join(repoPathOf(app, project), "..");
      await expect
        .poll(async () => (await readdir(folder)).filter((name) => name.includes(".fetching-")))
        .toEqual([]);
      expect(await gitInRepository(app, project, "rev-parse", "main")).toBe(tip);
    }
    await other.close();
    upstream.gate = async () => undefined;
    const after = await fetched(project);
    expect(after.upstream).toMatchObject({ status: "idle", last_fetch: { updated: ["main"] } });
    const { data: events } = await owner.api.audit.list({ params: { org_id: orgId }, query: {} });
    const ofProject = events.filter(({ target }) => target.id === project.id);
    expect(ofProject.slice(0, 3).map(({ action }) => action)).toEqual([
      "project.upstream_fetched",
      "project.upstream_fetch_cancelled",
      "project.upstream_fetch_cancelled",
    ]);
  });
});

describe("an upstream behind SSH", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  let root: string;
  let upstream: SshUpstream;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_IMPORT_PRIVATE_HOSTS: "true" });
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    root = await makeTempFolder();
    await makeRepository(join(root, "site"), { "a.txt": "1\n" });
    upstream = await startSshUpstream(root);
  });
  afterEach(async () => {
    await upstream.close();
    await rm(root, { recursive: true, force: true });
  });

  const create = async (more: object = {}): Promise<Project> => {
    const import_url = upstream.url("site/.git");
    const body = { organization_id: orgId, name: "Site", import_url, ...more };
    return (await owner.api.projects.create({ body })).data;
  };

  test("waits until its generated key is added, then trusts the first host key", async () => {
    const project = await create();
    const params = { project_id: project.id };
    expect(project.status).toBe("failed");
    expect(project.error).toContain("deploy key");
    const { credential } = project.upstream ?? {};
    expect(credential).toMatchObject({ kind: "ssh_key", username: null, hint: null });
    expect(credential?.public_key).toMatch(/^ssh-ed25519 \S+ omoi Site$/);
    expect(credential?.fingerprint).toBe(fingerprintOf(credential?.public_key ?? ""));
    await owner.api.upstreams.fetch({ params });
    expect((await waitForImport(owner, project.id)).error).toContain("deploy key");
    upstream.allowed.add(credential?.public_key ?? "");
    await owner.api.upstreams.fetch({ params });
    const ready = await waitUntilReady(owner, project.id);
    expect(ready.upstream?.host_key).toBe(fingerprintOf(upstream.hostKey));

    const { port } = upstream;
    await upstream.close();
    upstream = await startSshUpstream(root, { port });
    upstream.allowed.add(credential?.public_key ?? "");
    await owner.api.upstreams.fetch({ params });
    const refused = await waitUntilIdle(owner, project.id);
    expect(refused.upstream?.status).toBe("failed");
    expect(refused.upstream?.error).toContain(fingerprintOf(upstream.hostKey));
    expect(upstream.commands).toEqual([]);
    const body = { host_key: `[127.0.0.1]:${port} ${upstream.hostKey}` };
    const { data } = await owner.api.upstreams.trustHostKey({ params, body });
    expect(data.upstream?.host_key).toBe(fingerprintOf(upstream.hostKey));
    await owner.api.upstreams.fetch({ params });
    expect((await waitUntilIdle(owner, project.id)).upstream?.status).toBe("idle");
  });
});
