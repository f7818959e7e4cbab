import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  expectProblem,
  sharedTestApp,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeWorkspace } from "#test/support/fixtures/factories.js";
import {
  commitToRepository,
  git,
  gitInRepository,
  makeRepository,
  makeTempFolder,
} from "#test/support/git/git.js";
import { waitForImport, waitUntilReady } from "#test/support/fixtures/projects.js";
import { fieldsOf, send, withoutRequestId } from "#test/support/http/raw-request.js";

describe("imports", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  let roots: string;
  let outside: string;
  beforeAll(async () => {
    [roots, outside] = [await makeTempFolder(), await makeTempFolder()];
    app = await startTestApp({ OMOI_IMPORT_ROOTS: roots });
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
    await makeRepository(join(roots, "site"), { "a.txt": "a\n" });
    await makeRepository(join(outside, "secret"), { "a.txt": "a\n" });
  });
  afterAll(async () => {
    await app.close();
    await rm(roots, { recursive: true, force: true });
    await rm(outside, { recursive: true, force: true });
  });

  const ask = (import_url: string, from = app, token = owner.token, organization_id = orgId) =>
    send(from, "POST", "/api/v1/projects", {
      token,
      body: { organization_id, name: "Imported", import_url },
    });
  const start = async (import_url: string): Promise<string> => {
    const body = { organization_id: orgId, name: "Imported", import_url };
    return (await owner.api.projects.create({ body })).data.id;
  };
  const refusedFor = async (url: string, from = app, token = owner.token, org = orgId) => {
    const answer = await ask(url, from, token, org);
    const fields = answer.status === 422 ? fieldsOf(JSON.parse(answer.text)) : answer.text;
    expect([url, answer.status, fields]).toEqual([url, 422, ["body.import_url"]]);
    return withoutRequestId(answer);
  };

  test("branches that could be taken for the default branch are left out", async () => {
    const source = join(roots, "confusable");
    await makeRepository(source, { "a.txt": "1\n" });
    for (const name of ["refs/heads/main", "heads/main", "MAIN", "Other"]) {
      await git(["update-ref", `refs/heads/${name}`, "HEAD"], { cwd: source });
    }
    const project = await waitUntilReady(owner, await start(`file://${source}`));
    const args = ["for-each-ref", "--format=%(refname)", "refs/heads"];
    expect((await gitInRepository(app, project, ...args)).split("\n")).toEqual([
      "refs/heads/Other",
      "refs/heads/main",
    ]);
  });

  test("an allowed folder is imported with its branches in the background", async () => {
    const source = join(roots, "whole");
    await makeRepository(source, { "a.txt": "1\n" });
    await commitToRepository(source, { "a.txt": "2\n" });
    await git(["tag", "v1"], { cwd: source });
    await git(["checkout", "--quiet", "-b", "develop"], { cwd: source });
    await commitToRepository(source, { "b.txt": "b\n" });
    const { status, data } = await owner.api.projects.create({
      body: { organization_id: orgId, name: "Whole", import_url: `file://${source}` },
    });
    expect(status).toBe(201);
    expect(data).toMatchObject({
      status: "importing",
      import_url: `file://${source}`,
      error: null,
    });
    const project = await waitUntilReady(owner, data.id);
    expect(project).toMatchObject({ progress: 100, default_branch: "develop", error: null });
    const args = ["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags"];
    expect(await gitInRepository(app, project, ...args)).toBe(await git(args, { cwd: source }));
    const heads = ["for-each-ref", "--format=%(objectname)"];
    expect(await gitInRepository(app, project, ...heads, "refs/upstream/heads")).toBe(
      await git([...heads, "refs/heads"], { cwd: source }),
    );
    const { workspace } = await makeWorkspace(owner, project.id);
    expect(workspace.base_branch).toBe("develop");
  });

  test("an agent's workspace waits for the import", async () => {
    const id = await start(`file://${join(roots, "site")}`);
    const agent = await makeAgent(owner, id);
    await waitUntilReady(owner, id);
    const params = { agent_id: agent.id };
    expect((await owner.api.workspaces.create({ params })).data.status).toBe("active");
  });

  test("outside, missing and linked folders get the same answer", async () => {
    await symlink(join(outside, "secret"), join(roots, "link"));
    await symlink(outside, join(roots, "folder"));
    await mkdir(`${roots}-twin`);
    const answers = new Set<string>();
    for (const url of [
      `file://${join(outside, "secret")}`,
      `file://${join(outside, "missing")}`,
      `file://${join(roots, "missing")}`,
      `file://${join(roots, "link")}`,
      `file://${join(roots, "folder/secret")}`,
      `file://${roots}/../${outside.split("/").pop()}/secret`,
      `file://${roots}/%2e%2e/${outside.split("/").pop()}/secret`,
      `file://${roots}%2F..%2F${outside.split("/").pop()}%2Fsecret`,
      `file://${roots}/site%00`,
      `file://${roots}-twin`,
      `file://example.com${roots}/site`,
      `file://${roots}/site?x`,
      `file://${roots}/site#x`,
      "file:///etc/passwd",
      "file:///",
      "file://",
    ]) {
      answers.add(await refusedFor(url));
    }
    await rm(`${roots}-twin`, { recursive: true });
    expect(answers.size).toBe(1);
    const none = await sharedTestApp();
    const person = await none.person();
    const org = await makeOrganization(person);
    await refusedFor(`file://${join(roots, "site")}`, none, person.token, org.id);
  });

  test.each([
    "ssh://git:secret@github.com/a/b.git",
    "ssh://-oProxyCommand=x/a.git",
    "ssh://-x@github.com/a.git",
    "ssh://github.com",
    "ssh:///a.git",
    "ssh://git@github.com/a.git?x",
    "ssh://git@no-such-host.invalid/a.git",
    "github.com:a/b.git",
    "-oProxyCommand=x@github.com:a.git",
    "git@no-such-host.invalid:a/b.git",
    "git@127.0.0.1:a/b.git",
    "git@github.com:/?x",
    "git://example.com/a.git",
    "http://example.com/a.git",
    "ext::sh -c touch% /tmp/owned",
    "ext::sh",
    "fd::17",
    "ftp://example.com/a.git",
    "javascript:alert(1)",
    "--upload-pack=touch /tmp/owned",
    "/etc",
    "",
    "https://",
    "https://user@example.com/a.git",
    "https://user:secret@example.com/a.git",
    "https://:secret@example.com/a.git",
    "https://example.com/a b.git",
    "https://example.com/a\nb.git",
    "https://no-such-host.invalid/a.git",
  ])("%j is rejected by its field", async (url) => {
    const answer = await refusedFor(url);
    expect(answer).not.toContain("secret");
  });

  test.each([
    "https://127.0.0.1/a.git",
    "https://127.1/a.git",
    "https://2130706433/a.git",
    "https://0x7f000001/a.git",
    "https://0.0.0.0/a.git",
    "https://localhost/a.git",
    "https://localhost./a.git",
    "https://10.1.2.3/a.git",
    "https://172.16.0.1/a.git",
    "https://192.168.1.1/a.git",
    "https://169.254.169.254/latest/meta-data",
    "https://100.64.0.1/a.git",
    "https://224.0.0.1/a.git",
    "https://255.255.255.255/a.git",
    "https://[::1]/a.git",
    "https://[::]/a.git",
    "https://[fe80::1]/a.git",
    "https://[fd00::1]/a.git",
    "https://[::ffff:127.0.0.1]/a.git",
    "https://[::ffff:7f00:1]/a.git",
    "https://[::127.0.0.1]/a.git",
    "https://[64:ff9b::7f00:1]/a.git",
    "https://[64:ff9b:1::7f00:1]/a.git",
    "https://[2002:7f00:1::]/a.git",
    "https://[2001::1]/a.git",
    "https://[::ffff:8.8.8.8]/a.git",
    "https://[64:ff9b::808:808]/a.git",
    "https://[3fff::1]/a.git",
    "https://[5f00::1]/a.git",
    "https://[2001:db8::1]/a.git",
    "https://[100::1]/a.git",
    "https://[ff02::1]/a.git",
    "https://168.63.129.16/a.git",
  ])("%s is not a public address", async (url) => {
    await refusedFor(url);
  });

  test.each([
    ["a folder that is no repository", async (folder: string) => mkdir(folder)],
    ["a repository without a commit", async (folder: string) => git(["init", "--quiet", folder])],
    [
      "one whose objects are another's",
      async (folder: string) => git(["clone", "--quiet", "--shared", join(roots, "site"), folder]),
    ],
    [
      "one that is a link to another",
      async (folder: string) => {
        await mkdir(folder);
        await writeFile(join(folder, ".git"), `gitdir: ${join(outside, "secret/.git")}\n`);
      },
    ],
  ])("%s fails with a message on the project", async (what, make) => {
    const folder = join(roots, what.replaceAll(" ", "-"));
    await make(folder);
    const project = await waitForImport(owner, await start(`file://${folder}`));
    expect(project.status).toBe("failed");
    expect(project.error).toMatch(/^[A-Z].+\.$/);
    expect(project.error).not.toContain(roots);
    const agent = await makeAgent(owner, project.id);
    const params = { agent_id: agent.id };
    await expectProblem(owner.api.workspaces.create({ params }), 409, "project_not_ready");
  });
});
