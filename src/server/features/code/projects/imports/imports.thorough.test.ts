// Thorough: waits until the work of a dead process is taken over; a tree of millions of files.
import { execFileSync } from "node:child_process";
import { open, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { git, gitInRepository, makeRepository, makeTempFolder } from "#test/support/git/git.js";
import { waitForImport, waitUntilReady } from "#test/support/fixtures/projects.js";

describe("imports", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  let roots: string;
  beforeAll(async () => {
    roots = await makeTempFolder();
    app = await startTestApp({ OMOI_IMPORT_ROOTS: roots });
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });
  afterAll(async () => {
    await app.close();
    await rm(roots, { recursive: true, force: true });
  });

  const start = async (import_url: string): Promise<string> => {
    const body = { organization_id: orgId, name: "Imported", import_url };
    return (await owner.api.projects.create({ body })).data.id;
  };

  test("a branch of a few objects that expand to millions of files fails the import", async () => {
    const source = join(roots, "bomb");
    await makeRepository(source, { "a.txt": "a\n" });
    const make = (args: string[], input: string): string =>
      execFileSync("git", ["-C", source, ...args], { input })
        .toString()
        .trim();
    let oid = make(["hash-object", "-w", "--stdin"], "bomb\n");
    for (let level = 0; level < 8; level += 1) {
      const kind = level === 0 ? "100644 blob" : "040000 tree";
      const names = Array.from({ length: 10 }, (_none, at) => `${kind} ${oid}\tn${at}\n`);
      oid = make(["mktree"], names.join(""));
    }
    const person = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"];
    const commit = make([...person, "commit-tree", oid, "-m", "bomb"], "");
    await git(["update-ref", "refs/heads/bomb", commit], { cwd: source });
    const failed = await waitForImport(owner, await start(`file://${source}`));
    expect(failed.status).toBe("failed");
    expect(failed.error).toMatch(/too large to check out: a commit contains more than \d+/);
    await git(["update-ref", "-d", "refs/heads/bomb"], { cwd: source });
    await owner.api.upstreams.fetch({ params: { project_id: failed.id } });
    await waitUntilReady(owner, failed.id);
  });
});

describe("imports over the network", () => {
  let hosts: Server | undefined;
  afterEach(
    () => new Promise<void>((resolve) => (hosts ? hosts.close(() => resolve()) : resolve())),
  );

  test("a private host is tried if allowed, and its failure reported", async () => {
    const app = await startTestApp({ OMOI_IMPORT_PRIVATE_HOSTS: "true" });
    const owner = await app.person();
    const { id } = await makeOrganization(owner);
    let connections = 0;
    const server = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    hosts = server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const import_url = `https://127.0.0.1:${port}/team/app.git`;
    const body = { organization_id: id, name: "Private", import_url };
    for (const host of ["100.100.100.200", "169.254.170.2", "[fd00:ec2::254]"]) {
      const metadata = { ...body, import_url: `https://${host}/team/app.git` };
      await expectProblem(owner.api.projects.create({ body: metadata }), 422, "validation_failed");
    }
    const { data } = await owner.api.projects.create({ body });
    const project = await waitForImport(owner, data.id);
    expect(connections).toBeGreaterThan(0);
    expect(project.status).toBe("failed");
    expect(project.error).toMatch(/^[A-Z].+\.$/);
    await app.close();
  });
});

describe("an import whose process dies", () => {
  test("is resumed and completed by the next process", async () => {
    const roots = await makeTempFolder();
    const source = join(roots, "site");
    await makeRepository(source, { "a.txt": "a\n" });
    const head = await git(["rev-parse", "HEAD"], { cwd: source });
    // git blocks on reading this until it is written to: an import that is certainly running.
    const pipe = join(source, ".git/HEAD");
    await rm(pipe);
    execFileSync("mkfifo", [pipe]);
    // It outlives the first process.
    const OMOI_DATA_DIR = await makeTempFolder();
    const app = await startTestApp({ OMOI_IMPORT_ROOTS: roots, OMOI_DATA_DIR });
    const owner = await app.person();
    const { id } = await makeOrganization(owner);
    const body = { organization_id: id, name: "Slow", import_url: `file://${source}` };
    const { data: project } = await owner.api.projects.create({ body });
    const writer = await open(pipe, "w");
    await app.close();
    await writer.close();
    await rm(pipe);
    await writeFile(pipe, "ref: refs/heads/main\n");

    const next = await app.sibling();
    const person = { ...owner, api: next.client(owner.token) };
    const ready = await waitUntilReady(person, project.id);
    expect(ready.progress).toBe(100);
    expect(await gitInRepository(next, ready, "rev-parse", "main")).toBe(head);
    await next.close();
    await rm(next.dataDir, { recursive: true, force: true });
    await rm(roots, { recursive: true, force: true });
  });
});
