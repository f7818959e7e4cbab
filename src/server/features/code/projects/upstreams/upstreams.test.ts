import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import { receivedCommits } from "../../../../db/tables/workspace-tables.js";
import { fingerprintOf, generateSshKey } from "#git/upstream/ssh-key.js";
import {
  expectProblem,
  sharedTestApp,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeOrganization, makeWorkspace } from "#test/support/fixtures/factories.js";
import {
  commitToRepository,
  git,
  gitInRepository,
  makeRepository,
  makeTempFolder,
  repoPathOf,
} from "#test/support/git/git.js";
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
  const pushed = async (project: Project, branch?: string): Promise<Project> => {
    const body = branch === undefined ? {} : { branch };
    const { status, data } = await owner.api.upstreams.push({ params: at(project), body });
    expect([status, data.upstream?.status]).toEqual([202, "pushing"]);
    return waitUntilIdle(owner, project.id);
  };
  const head = (branch = "main") => git(["rev-parse", branch], { cwd: source });

  test("a private upstream is imported with a token, of which only the end is shown", async () => {
    const project = await create();
    expect(project.upstream).toMatchObject({
      url: upstream.url("site/.git"),
      status: "idle",
      fetched_at: null,
      host_key: null,
      credential: {
        kind: "https_token",
        username: "me",
        hint: "…9Zq1",
        public_key: null,
        fingerprint: null,
        set_by: owner.id,
      },
    });
    expect(JSON.stringify(project)).not.toContain(token);
    const ready = await waitUntilReady(owner, project.id);
    expect(ready.upstream).toMatchObject({ ahead: 0, behind: 0, error: null, last_fetch: null });
    expect(ready.upstream?.fetched_at).not.toBeNull();
    const { data: list } = await owner.api.projects.list({ query: { organization_id: orgId } });
    expect(list.find(({ id }) => id === ready.id)?.upstream).toMatchObject({ ahead: null });
    expect(await gitInRepository(app, ready, "config", "--list")).not.toContain("127.0.0.1");
  });

  test("a fetch fast-forwards branches, adds new ones, and leaves diverged ones", async () => {
    await git(["branch", "moves"], { cwd: source });
    await git(["branch", "goes"], { cwd: source });
    const project = await imported();
    const { workspace, write } = await work(project);
    await write({ "own.txt": "own\n" });
    await commitToRepository(source, { "b.txt": "upstream\n" });
    await git(["branch", "--force", "moves", "main"], { cwd: source });
    await git(["branch", "new/one", "main"], { cwd: source });
    const refused = ["Main", "refs/heads/main"];
    for (const name of refused) {
      await git(["update-ref", `refs/heads/${name}`, "main"], { cwd: source });
    }
    await git(["branch", "--delete", "--force", "goes"], { cwd: source });
    await git(["tag", "v1"], { cwd: source });
    const before = await gitInRepository(app, project, "rev-parse", "main");
    const after = await fetched(project);
    expect(after.upstream).toMatchObject({
      status: "idle",
      progress: 100,
      ahead: 2,
      behind: 1,
      last_fetch: {
        created: ["new/one"],
        updated: ["moves"],
        diverged: [{ branch: "main", ahead: 2, behind: 1 }],
        gone: ["goes"],
        refused,
      },
    });
    expect(await gitInRepository(app, project, "rev-parse", "main")).toBe(before);
    const heads = await gitInRepository(app, project, "for-each-ref", "refs/heads/");
    expect(heads).not.toMatch(/refs\/heads\/(?:Main|refs)/);
    for (const branch of ["moves", "new/one", "v1"]) {
      expect(await gitInRepository(app, project, "rev-parse", branch)).toBe(await head());
    }
    // Received at the fetch time, whatever its dates.
    const commit = await head();
    const rows = await app.db.withSystem("a test", (db) =>
      db
        .select({ at: receivedCommits.received_at })
        .from(receivedCommits)
        .where(eq(receivedCommits.commit_sha, commit)),
    );
    expect(rows).toHaveLength(1);
    // A fetch without news gives the same report.
    expect((await fetched(project)).upstream?.last_fetch).toEqual({
      created: [],
      updated: [],
      protected: [],
      diverged: [{ branch: "main", ahead: 2, behind: 1 }],
      gone: ["goes"],
      refused,
    });
    expect(workspace.base_branch).toBe("main");
    const files = await readdir(join(repoPathOf(app, project), ".."));
    expect(files.filter((name) => name.includes("fetching"))).toEqual([]);
  });

  async function work(project: Project) {
    const { workspace } = await makeWorkspace(owner, project.id);
    const write = async (files: Record<string, string>): Promise<void> => {
      for (const [name, text] of Object.entries(files)) {
        await writeFile(join(workspace.working_directory as string, name), text);
      }
      await owner.api.workspaces.createMerge({ params: { agent_id: workspace.agent_id } });
    };
    return { workspace, write };
  }

  test("merged work is pushed upstream on request, fast-forward only", async () => {
    const project = await imported();
    const { write } = await work(project);
    await write({ "own.txt": "own\n" });
    const tip = await gitInRepository(app, project, "rev-parse", "main");
    expect(await head()).not.toBe(tip);
    const after = await pushed(project);
    expect(after.upstream).toMatchObject({ status: "idle", error: null, ahead: 0, behind: 0 });
    expect(after.upstream?.pushed_at).not.toBeNull();
    expect(await head()).toBe(tip);
    await write({ "own.txt": "more\n" });
    await commitToRepository(source, { "b.txt": "upstream\n" });
    const theirs = await head();
    const refused = await pushed(project);
    expect(refused.upstream).toMatchObject({
      status: "failed",
      pushed_at: after.upstream?.pushed_at,
    });
    expect(refused.upstream?.error).toContain("never overwritten");
    expect(await head()).toBe(theirs);
    await git(["config", "receive.denyCurrentBranch", "refuse"], { cwd: source });
    await git(["reset", "--quiet", "--hard", tip], { cwd: source });
    expect((await pushed(project)).upstream?.error).toContain("branch is currently checked out");
    const { data: events } = await owner.api.audit.list({ params: { org_id: orgId }, query: {} });
    const ofProject = events.filter(({ target }) => target.id === project.id);
    expect(ofProject.map(({ action }) => action)).toContain("project.upstream_pushed");
    expect(ofProject.find(({ action }) => action === "project.upstream_pushed")).toMatchObject({
      actor: { id: owner.id },
      changes: { branch: { to: "main" }, commit: { to: tip } },
    });
    expect(JSON.stringify(events)).not.toContain(token);
  });

  test("one operation runs at a time, and only with an upstream", async () => {
    let let_go = (): void => undefined;
    const project = await imported();
    upstream.gate = () => new Promise((resolve) => (let_go = resolve));
    await owner.api.upstreams.fetch({ params: at(project) });
    await expectProblem(owner.api.upstreams.fetch({ params: at(project) }), 409, "upstream_busy");
    await expectProblem(owner.api.upstreams.push({ params: at(project) }), 409, "upstream_busy");
    upstream.gate = async () => undefined;
    const timer = setInterval(() => let_go(), 20);
    await waitUntilIdle(owner, project.id);
    clearInterval(timer);
    const params = at(project);
    await expectProblem(
      owner.api.upstreams.push({ params, body: { branch: "nothing" } }),
      422,
      "validation_failed",
    );
    const body = { organization_id: orgId, name: "Empty" };
    const { data: empty } = await owner.api.projects.create({ body });
    expect(empty.upstream).toBeNull();
    for (const call of [
      () => owner.api.upstreams.fetch({ params: at(empty) }),
      () => owner.api.upstreams.cancelFetch({ params: at(empty) }),
      () => owner.api.upstreams.push({ params: at(empty) }),
      () => owner.api.upstreams.trustHostKey({ params: at(empty), body: { host_key: null } }),
      () => owner.api.upstreams.removeCredential({ params: at(empty) }),
      () =>
        owner.api.upstreams.setCredential({
          params: at(empty),
          body: { kind: "https_token", token },
        }),
    ]) {
      await expectProblem(call(), 409, "no_upstream");
    }
  });

  test("a fetch is canceled", async () => {
    const project = await imported();
    const params = at(project);
    let reached = (): void => undefined;
    const there = new Promise<void>((resolve) => (reached = resolve));
    upstream.gate = async () => {
      reached();
      await new Promise(() => undefined);
    };
    await owner.api.upstreams.fetch({ params });
    await there;
    const { data } = await owner.api.upstreams.cancelFetch({ params });
    expect(data.upstream).toMatchObject({ status: "idle", error: null });
    await expectProblem(owner.api.upstreams.cancelFetch({ params }), 409, "nothing_to_cancel");
  });

  test("an agent may neither fetch nor push", async () => {
    const project = await imported();
    const { agent } = await makeWorkspace(owner, project.id);
    const { data } = await owner.api.apiKeys.create({
      body: { name: "agent", organization_id: orgId, agent_id: agent.id },
    });
    const api = app.client(data.key as string);
    await expectProblem(
      api.upstreams.push({ params: at(project) }),
      403,
      "insufficient_permission",
    );
    await expectProblem(
      api.upstreams.fetch({ params: at(project) }),
      403,
      "insufficient_permission",
    );
  });

  test("an address in scp's form becomes an SSH URL, with a key", async () => {
    const import_url = "git@127.0.0.1:/team/app.git";
    const created = await create({ import_url, credential: undefined });
    expect(created.import_url).toBe("ssh://git@127.0.0.1/team/app.git");
    expect(created.upstream?.credential).toMatchObject({ kind: "ssh_key" });
  });

  test("a credential that does not match its URL is rejected by its field", async () => {
    const of = (more: object) =>
      expectProblem(create(more), 422, "validation_failed").then(({ errors }) =>
        errors?.map(({ loc }) => loc.join(".")),
      );
    const ssh = "ssh://git@127.0.0.1/a.git";
    expect(await of({ credential: { kind: "ssh_key" } })).toEqual(["body.credential"]);
    expect(await of({ import_url: ssh })).toEqual(["body.credential"]);
    expect(await of({ import_url: null })).toEqual(["body.credential"]);
    expect(await of({ host_key: "SHA256:x" })).toEqual(["body.host_key"]);
    expect(await of({ import_url: ssh, credential: undefined, host_key: "x" })).toEqual([
      "body.host_key",
    ]);
    const private_key = "nonsense";
    const wrong = { import_url: ssh, credential: { kind: "ssh_key", private_key } };
    expect(await of(wrong)).toEqual(["body.credential"]);
    expect(await of({ credential: { kind: "https_token", token: "two words" } })).toEqual([
      "body.credential.token",
    ]);
    expect(await of({ credential: { kind: "cookie" } })).toEqual(["body.credential.kind"]);
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

  test("is imported with a given key from a host with a given key", async () => {
    const key = generateSshKey("mine");
    upstream.allowed.add(key.publicKey);
    const credential = { kind: "ssh_key", private_key: key.privateKey };
    const project = await create({ credential, host_key: fingerprintOf(upstream.hostKey) });
    expect(project.upstream?.credential?.fingerprint).toBe(key.fingerprint);
    expect(JSON.stringify(project)).not.toContain(key.privateKey.slice(80, 120));
    await waitUntilReady(owner, project.id);
    const other = await create({ credential, host_key: generateSshKey("x").fingerprint });
    const failed = await waitForImport(owner, other.id);
    expect(failed.error).toContain("host key");
  });

  test("at a private address is rejected unless allowed", async () => {
    const strict = await sharedTestApp();
    const person = await strict.person();
    const { id } = await makeOrganization(person);
    for (const host of ["127.0.0.1", "127.1", "0x7f000001", "[::1]", "localhost", "10.0.0.1"]) {
      const import_url = `ssh://git@${host}:${upstream.port}/site/.git`;
      const body = { organization_id: id, name: "Site", import_url };
      await expectProblem(person.api.projects.create({ body }), 422, "validation_failed");
    }
  });
});
