/** Limits of git's requests, each exceeded by one, and requests of the real git below them. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import { COMMAND_LIMITS, MAX_COMMANDS } from "#git/smart-http/receive-pack.js";
import { MAX_LINES, REQUEST_LIMITS } from "#git/smart-http/visible-request.js";
import { FLUSH, pktLine } from "#git/smart-http/pkt-line.js";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { createGitKey, openCloneFactory, withKey } from "#test/support/git/clone.js";
import {
  commitFiles,
  makeAgent,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { git, gitInRepository, repoPathOf, runGit } from "#test/support/git/git.js";
import { zeroOid } from "#test/support/git/packs.js";
import { MAX_FETCH_BYTES, MAX_WAITING, SMALL_BYTES } from "./negotiations.js";

describe("limits of git's requests", () => {
  let app: TestApp;
  let owner: TestPerson;
  let project: Project;
  let key: string;
  let agentKey: string;
  let main: string;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    project = await makeProjectWith(owner, (await makeOrganization(owner)).id, { "a.txt": "a\n" });
    key = await createGitKey(owner);
    agentKey = await keyOfAgent(project);
    main = await gitInRepository(app, project, "rev-parse", "main");
  });

  const keyOfAgent = async ({ id }: Project): Promise<string> => {
    const agent = await makeAgent(owner, id);
    const body = { workspace_type: "remote" } as const;
    await owner.api.workspaces.create({ params: { agent_id: agent.id }, body });
    const created = await owner.api.apiKeys.create({ body: { name: "a", agent_id: agent.id } });
    return created.data.key as string;
  };
  const open = (
    service: "upload-pack" | "receive-pack",
    by: string,
    headers: Record<string, string> = {},
    to = project,
  ): ClientRequest =>
    httpRequest(`${to.clone_url}/git-${service}`, {
      method: "POST",
      agent: false,
      headers: {
        authorization: `Bearer ${by}`,
        "content-type": `application/x-git-${service}-request`,
        ...headers,
      },
    });
  const answerOf = async (client: ClientRequest): Promise<{ status: number; text: string }> => {
    const [response] = (await once(client, "response")) as [IncomingMessage];
    return { status: response.statusCode ?? 0, text: await text(response) };
  };
  const post = (
    service: "upload-pack" | "receive-pack",
    by: string,
    body: Buffer,
    headers: Record<string, string> = {},
    to = project,
  ) => {
    const client = open(service, by, headers, to);
    client.end(body);
    return answerOf(client);
  };
  const push = (lines: readonly string[]) =>
    post("receive-pack", key, Buffer.concat([...lines.map((line) => pktLine(line)), FLUSH]));
  const command = (ref: string): string => `${zeroOid} ${main} ${ref}`;
  const want = (): Buffer => pktLine(`want ${main}\n`);
  const times = (count: number, piece: Buffer): Buffer => Buffer.alloc(count * piece.length, piece);
  const tooLarge = { status: 413, text: expect.stringContaining("body_too_large") };

  test("a command of a push has a maximum length", async () => {
    const capabilities = "\0report-status";
    const nameOf = (length: number): string =>
      `refs/heads/${"x".repeat(length - 4 - command("refs/heads/").length - capabilities.length)}`;
    const longest = nameOf(COMMAND_LIMITS.packet);
    expect(await push([command(longest) + capabilities])).toEqual({
      status: 200,
      text: expect.stringContaining(`ng ${longest} choose a plain ASCII name`),
    });
    const refused = await push([command(nameOf(COMMAND_LIMITS.packet + 1)) + capabilities]);
    expect(refused).toEqual(tooLarge);
    expect(refused.text).toContain("longer than 1024 bytes");
  });

  test("the commands of a push have a maximum number and size", async () => {
    const many = Array.from({ length: MAX_COMMANDS + 1 }, (_none, index) =>
      command(`refs/heads/x${index}${index === 0 ? "\0report-status" : ""}`),
    );
    expect(await push(many)).toEqual({
      status: 200,
      text: expect.stringMatching(/^002.unpack push at most 1000 refs at once\n/),
    });
    // Lines of a shallow clone.
    const shallow = pktLine(`shallow ${main}`);
    const rest = Math.floor(COMMAND_LIMITS.all / shallow.length) - 2;
    const body = (count: number): Buffer =>
      Buffer.concat([pktLine(command("refs/omoi/x\0report-status")), times(count, shallow), FLUSH]);
    const fits = await post("receive-pack", key, body(rest));
    expect(fits).toEqual({ status: 200, text: expect.stringContaining("only branches and tags") });
    expect(await post("receive-pack", key, body(rest + 2))).toEqual(tooLarge);
  });

  test("a push has neither a certificate nor options", async () => {
    expect((await push(["push-cert\0report-status"])).status).toBe(400);
    const options = Buffer.concat([
      pktLine(`${command("refs/heads/optional")}\0report-status push-options`),
      FLUSH,
      pktLine("x".repeat(65_000)),
      FLUSH,
    ]);
    const answer = await post("receive-pack", key, options);
    expect(answer).toEqual({
      status: 200,
      text: expect.stringContaining("ng refs/heads/optional"),
    });
  });

  test("a fetch has a maximum size, also if it is compressed", async () => {
    const lines = Math.floor(MAX_FETCH_BYTES / want().length);
    const body = Buffer.concat([times(lines, want()), want()]);
    expect(body.length).toBeGreaterThan(MAX_FETCH_BYTES);
    expect(await post("upload-pack", key, body)).toEqual(tooLarge);
    const zipped = { "content-encoding": "gzip" };
    expect(await post("upload-pack", key, gzipSync(body), zipped)).toEqual(tooLarge);
    const shown = await post("upload-pack", key, gzipSync(body), {
      ...zipped,
      "user-agent": "git/2",
    });
    expect(shown).toEqual({
      status: 200,
      text: expect.stringMatching(/^....ERR The body is larger than 64 MiB/),
    });
  });

  test("a fetch by an agent's key has a maximum number of lines, of bytes, and of bytes in a line", async () => {
    const end = Buffer.concat([FLUSH, pktLine("done\n")]);
    const fits = Buffer.concat([times(MAX_LINES - 2, want()), end]);
    const fetched = await post("upload-pack", agentKey, fits);
    expect([fetched.status, fetched.text.slice(0, 8)]).toEqual([200, "0008NAK\n"]);
    const lines = await post("upload-pack", agentKey, Buffer.concat([want(), fits]));
    expect(lines).toEqual(tooLarge);
    expect(lines.text).toContain(`more than ${MAX_LINES} refs`);

    const capable = (length: number): Buffer =>
      pktLine(`want ${main} ${"x".repeat(length - 4 - `want ${main} `.length)}`);
    const longest = capable(REQUEST_LIMITS.packet);
    const line = await post("upload-pack", agentKey, Buffer.concat([longest, end]));
    expect(line.status).toBe(200);
    const longer = Buffer.concat([capable(REQUEST_LIMITS.packet + 1), end]);
    expect(await post("upload-pack", agentKey, longer)).toEqual(tooLarge);
    const most = REQUEST_LIMITS.all / longest.length;
    const bytes = await post("upload-pack", agentKey, times(most + 1, longest));
    expect(bytes).toEqual(tooLarge);
    expect(bytes.text).toContain("more than 12 MiB");
  });

  test("an agent's key fetches no hidden object by its id in uppercase", async () => {
    const { workspace } = await makeWorkspace(owner, project.id);
    const { commit_sha } = await commitFiles(owner, workspace, { "secret.txt": "the secret\n" });
    const blob = await gitInRepository(app, project, "rev-parse", `${commit_sha}:secret.txt`);
    const ask = (oid: string) =>
      post(
        "upload-pack",
        agentKey,
        Buffer.concat([pktLine(`want ${oid}\n`), FLUSH, pktLine("done\n")]),
      );
    const known = await ask(blob);
    expect(known.text).toContain(`not our ref ${blob}`);
    expect((await ask(blob.toUpperCase())).status).toBe(400);
  });

  test("large fetches of an organization take turns; small ones and other organizations do not wait", async () => {
    const elsewhere = await makeProjectWith(owner, (await makeOrganization(owner)).id, {
      a: "a\n",
    });
    const tip = await gitInRepository(app, elsewhere, "rev-parse", "main");
    const large = (oid: string): Buffer =>
      times(Math.ceil(SMALL_BYTES / 50) + 1, pktLine(`want ${oid}\n`));
    const done = Buffer.concat([FLUSH, pktLine("done\n")]);
    // git answers the depth before it reads the rest.
    const first = open("upload-pack", key);
    first.write(Buffer.concat([large(main), pktLine("deepen 1\n"), FLUSH]));
    const [begun] = (await once(first, "response")) as [IncomingMessage];
    const answers: number[] = [];
    const all = Array.from({ length: MAX_WAITING + 1 }, async () => {
      const { status } = await post("upload-pack", key, Buffer.concat([large(main), done]));
      answers.push(status);
    });
    await Promise.race(all);
    expect(answers).toEqual([429]);
    const small = await post("upload-pack", key, Buffer.concat([want(), done]));
    const body = Buffer.concat([large(tip), done]);
    const other = await post("upload-pack", key, body, {}, elsewhere);
    expect([small.status, other.status, answers]).toEqual([200, 200, [429]]);
    first.end(pktLine("done\n"));
    await text(begun);
    await Promise.all(all);
    expect(answers.slice(1)).toEqual(Array.from({ length: MAX_WAITING }, () => 200));
  });

  test("git itself clones and fetches many branches and commits", async () => {
    const many = await makeProjectWith(owner, project.organization_id, { "a.txt": "a\n" });
    const agentsKey = await keyOfAgent(many);
    const clones = await openCloneFactory();
    const { clone_url: url } = many;
    // git compresses requests of 1 KiB to http.postBuffer, and sends larger ones in chunks.
    const whole = await clones.clone(url, key, "-c", "protocol.version=0");
    const shallow = await clones.clone(url, key, "-c", "http.postBuffer=65536", "--depth=1");
    const ofAgent = await clones.clone(url, agentsKey);
    const tip = await gitInRepository(app, many, "rev-parse", "main");
    makeBranches(repoPathOf(app, many), tip);
    for (const { folder } of [whole, shallow]) {
      const refspec = "+refs/heads/*:refs/remotes/origin/*";
      const fetched = await runGit(["fetch", "--quiet", "origin", refspec], { cwd: folder });
      expect([fetched.code, fetched.stderr]).toEqual([0, ""]);
      const refs = await git(["for-each-ref", "refs/remotes/origin/many"], { cwd: folder });
      expect(refs.split("\n")).toHaveLength(BRANCHES);
    }
    // Commits of its own, which the client tells in requests of up to 200 KB.
    makeBranches(join(ofAgent.folder, ".git"), tip);
    await gitInRepository(app, many, "update-ref", "refs/heads/main", "refs/heads/many/0");
    for (const postBuffer of ["1048576", "65536"]) {
      const args = ["-c", `http.postBuffer=${postBuffer}`, "fetch", "--quiet", "origin", "main"];
      const fetched = await runGit(args, { cwd: ofAgent.folder });
      expect([fetched.code, fetched.stderr]).toEqual([0, ""]);
    }
    const listed = await runGit(["ls-remote", withKey(url, key), "refs/heads/many/*"]);
    expect(listed.stdout.trim().split("\n")).toHaveLength(BRANCHES);
    await clones.dispose();
  });
});

const BRANCHES = 5000;
let calls = 0;

/** Creates branches with a commit each, which differ from those of an earlier call. */
function makeBranches(repoPath: string, from: string): void {
  const seconds = Math.floor(Date.now() / 1000) + 10_000 * (calls += 1);
  const commits = Array.from(
    { length: BRANCHES },
    (_none, index) =>
      `commit refs/heads/many/${index}\ncommitter A <a@example.com> ${seconds + index} +0000\n` +
      `data 0\nfrom ${from}\n`,
  );
  const args = ["--git-dir", repoPath, "fast-import", "--quiet"];
  execFileSync("git", args, { input: `${commits.join("\n")}\n` });
}
