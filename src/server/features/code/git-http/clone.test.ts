import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import { systemRoleIds } from "../../../db/migrate.js";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import { git, gitInRepository, runGit } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { problemOf, send, withoutRequestId } from "#test/support/http/raw-request.js";

describe("git over HTTP", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let folder: string;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
    project = await makeProjectWith(owner, org.id, { "a.txt": "a\n", "src/b.txt": "b\n" });
    folder = await mkdtemp(join(tmpdir(), "omoi-clone-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  const keyOf = async (person: TestPerson, scopes = ["*:*"]) =>
    (await person.api.apiKeys.create({ body: { name: "git", scopes } })).data.key as string;
  const at = (key: string, url = project.clone_url) => url.replace("http://", `http://x:${key}@`);
  let clones = 0;
  const clone = async (url: string, ...args: string[]) => {
    const into = join(folder, `clone-${(clones += 1)}`);
    return { into, ...(await runGit(["clone", "--quiet", ...args, url, into])) };
  };
  const infoRefs = (key: string, url = project.clone_url) =>
    send({ url: "" }, "GET", `${url}/info/refs?service=git-upload-pack`, {
      headers: { authorization: `Basic ${Buffer.from(`x:${key}`).toString("base64")}` },
    });

  test("clones and fetches a project with a key as the password", async () => {
    const key = await keyOf(owner);
    const { into, code, stderr } = await clone(at(key));
    expect([code, stderr]).toEqual([0, ""]);
    expect(await readFile(join(into, "src/b.txt"), "utf8")).toBe("b\n");
    const main = await gitInRepository(app, project, "rev-parse", "main");
    expect(await git(["rev-parse", "HEAD"], { cwd: into })).toBe(main);
    await git(["fsck", "--strict"], { cwd: into });
    expect((await runGit(["fetch", "--quiet"], { cwd: into })).code).toBe(0);
    for (const args of [["--depth=1"], ["--branch=main"], ["--bare"], ["--filter=blob:none"]]) {
      expect([args, (await clone(at(key), ...args)).code]).toEqual([args, 0]);
    }
    const old = await runGit(["-c", "protocol.version=0", "ls-remote", at(key), "main"]);
    expect(old.stdout).toContain(main);
  });

  test("accepts an access token as password or bearer", async () => {
    expect((await clone(at(owner.token))).code).toBe(0);
    const args = ["-c", `http.extraHeader=Authorization: Bearer ${owner.token}`];
    expect((await runGit([...args, "ls-remote", project.clone_url])).code).toBe(0);
  });

  test("a missing or wrong credential is 401 with a challenge git understands", async () => {
    const key = await keyOf(owner);
    const revoked = await owner.api.apiKeys.create({ body: { name: "gone" } });
    await owner.api.apiKeys.revoke({ params: { key_id: revoked.data.id } });
    const bare = await send(
      { url: "" },
      "GET",
      `${project.clone_url}/info/refs?service=git-upload-pack`,
    );
    expect(bare.status).toBe(401);
    for (const wrong of ["", "x", revoked.data.key as string, `${key.slice(0, -1)}_`, "oat_x"]) {
      const answer = await infoRefs(wrong);
      expect([wrong, answer.status]).toEqual([wrong, 401]);
      expect(answer.headers.get("www-authenticate")).toMatch(/^Basic realm="/);
    }
    const { code, stderr } = await clone(at("sk_live_wrong"));
    expect(code).not.toBe(0);
    expect(stderr).toContain("Authentication failed");
    expect((await clone(project.clone_url)).code).not.toBe(0);
  });

  test("a stranger's key gets the answer of a missing project", async () => {
    const stranger = await app.person("stranger");
    await makeOrganization(stranger);
    const key = await keyOf(stranger);
    const real = await infoRefs(key);
    expect([real.status, problemOf(real).code]).toEqual([404, "not_found"]);
    for (const url of [
      project.clone_url.replace(project.slug, "no-such-project"),
      project.clone_url.replace(org.slug, "no-such-org"),
      project.clone_url.replace(/\.git$/, ""),
      project.clone_url.replace(project.slug, "..%2f..%2fsecret"),
      project.clone_url.replace(org.slug, "%00"),
    ]) {
      const answer = await infoRefs(key, url);
      expect([url, answer.status, withoutRequestId(answer)]).toEqual([
        url,
        404,
        withoutRequestId(real),
      ]);
    }
    const body = await send({ url: "" }, "POST", `${project.clone_url}/git-upload-pack`, {
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/x-git-upload-pack-request",
      },
      body: "0000",
    });
    expect(body.status).toBe(404);
    expect((await clone(at(key))).stderr).toContain("not found");
  });

  test("a key without project:git:read is 403; that permission suffices", async () => {
    const without = await infoRefs(await keyOf(owner, [`org:${org.slug}:project:read`]));
    expect(without.status).toBe(403);
    expect(problemOf(without).missing_permissions).toEqual(["project:git:read"]);
    const just = await keyOf(owner, [`org:${org.slug}:project:git:read`]);
    expect((await clone(at(just))).code).toBe(0);
    const other = await makeOrganization(owner);
    const elsewhere = await infoRefs(await keyOf(owner, [`org:${other.slug}:*`]));
    expect(elsewhere.status).toBe(404);
  });

  test("a removed member cannot clone", async () => {
    const member = await app.person("member");
    const params = { org_id: org.id };
    const body = { user_id: member.id, role_id: systemRoleIds.viewer };
    const { data } = await owner.api.members.add({ params, body });
    const key = await keyOf(member);
    expect((await clone(at(key))).code).toBe(0);
    await owner.api.members.remove({ params: { ...params, member_id: data.id } });
    expect((await infoRefs(key)).status).toBe(404);
  });

  test("other repository files are not served", async () => {
    const headers = { authorization: `Bearer ${await keyOf(owner)}` };
    for (const path of ["/info/refs", "/info/refs?service=git-upload-archive"]) {
      const answer = await send({ url: "" }, "GET", project.clone_url + path, { headers });
      expect([path, answer.status, problemOf(answer).code]).toEqual([path, 400, "bad_request"]);
    }
    for (const path of ["/HEAD", "/config", "/objects/info/packs", "/../../secret"]) {
      const answer = await send({ url: "" }, "GET", project.clone_url + path, { headers });
      expect([path, answer.status]).toEqual([path, 404]);
    }
  });

  test("an old organization slug still clones; a project that is not ready does not", async () => {
    const key = await keyOf(owner);
    const body = { slug: `${org.slug}-new` };
    await owner.api.organizations.update({ params: { org_id: org.id }, body });
    expect((await clone(at(key))).code).toBe(0);
    const { data } = await owner.api.projects.get({ params: { project_id: project.id } });
    expect(data.clone_url).toBe(`${app.url}/git/${body.slug}/${project.slug}.git`);
    expect((await clone(at(key, data.clone_url))).code).toBe(0);
    await queryAsOwner(app, "update projects set status = 'importing' where id = $1", [project.id]);
    const answer = await infoRefs(key);
    expect([answer.status, problemOf(answer).code]).toEqual([409, "project_not_ready"]);
    await queryAsOwner(app, "update projects set status = 'ready' where id = $1", [project.id]);
  });

  test("a malformed request is answered without harm", async () => {
    const headers = {
      authorization: `Bearer ${await keyOf(owner)}`,
      "content-type": "application/x-git-upload-pack-request",
    };
    for (const body of ["", "nonsense", "0000", "ffff", "0011command=fetch0001", "\u0000\u0000"]) {
      const answer = await send({ url: "" }, "POST", `${project.clone_url}/git-upload-pack`, {
        headers,
        body,
      });
      expect([body, answer.status < 500]).toEqual([body, true]);
      if (body === "nonsense")
        expect([answer.status, problemOf(answer).code]).toEqual([400, "bad_request"]);
    }
    const gzip = { ...headers, "content-encoding": "gzip" };
    const url = `${project.clone_url}/git-upload-pack`;
    const unzipped = await send({ url: "" }, "POST", url, {
      headers: gzip,
      body: "no gzip at all",
    });
    expect([unzipped.status, problemOf(unzipped).code]).toEqual([400, "bad_request"]);
    const wrong = { ...headers, "content-type": "application/json" };
    expect((await send({ url: "" }, "POST", url, { headers: wrong, body: "{}" })).status).toBe(415);
    expect((await send(app, "GET", "/healthz")).status).toBe(200);
    expect((await clone(at(await keyOf(owner)))).code).toBe(0);
  });
});
