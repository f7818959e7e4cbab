import { execFile } from "node:child_process";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { createGunzip } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { updateRef } from "../store/refs.js";
import {
  advertiseRefs,
  protocolFor,
  RESULT_TYPE,
  uploadPack,
  ADVERTISEMENT_TYPE,
} from "./smart-http.js";
import { commitFiles, testRepository } from "#test/support/git/test-repository.js";

const run = promisify(execFile);

let root = "";
let repoPath = "";
let url = "";
let server: Server;
let hidden: string[] = [];
let protocols: (string | undefined)[] = [];
let dispose = async (): Promise<void> => undefined;
const tips: Record<string, string> = {};

beforeAll(async () => {
  ({ root, repoPath, dispose } = await testRepository());
  const base = await commitFiles(repoPath, [], { a: "a\n" });
  tips["main"] = await commitFiles(repoPath, [base], { a: "main\n" });
  tips["workspace-a"] = await commitFiles(repoPath, [base], { a: "a's\n", own: "x".repeat(3000) });
  tips["workspace-b"] = await commitFiles(repoPath, [base], { a: "b's secret\n" });
  for (const [name, tip] of Object.entries(tips)) {
    await updateRef(repoPath, `refs/heads/${name}`, tip, null);
  }
  await updateRef(repoPath, "refs/omoi/internal", tips["workspace-b"] ?? "", null);
  // Like the server's routes, without authentication.
  server = createServer((request, response) => {
    const protocol = request.headers["git-protocol"]?.toString();
    protocols.push(protocol);
    const get = request.method === "GET";
    const gzip = request.headers["content-encoding"] === "gzip";
    const reply = get
      ? advertiseRefs(repoPath, protocol, hidden)
      : uploadPack(repoPath, gzip ? request.pipe(createGunzip()) : request, protocol, hidden);
    response.setHeader("content-type", get ? ADVERTISEMENT_TYPE : RESULT_TYPE);
    pipeline(reply.body, response).catch(() => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x.git`;
});
afterAll(async () => {
  server.close();
  server.closeAllConnections();
  await dispose();
});

/** Runs git as a client. */
async function client(...args: string[]): Promise<string> {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: root,
    GIT_CONFIG_NOSYSTEM: "1",
    LC_ALL: "C",
  };
  const { stdout } = await run("git", args, { cwd: root, env });
  return stdout;
}

async function clone(...options: string[]): Promise<string> {
  const folder = join(root, "clone");
  await rm(folder, { recursive: true, force: true });
  await client(...options, "clone", "--quiet", "--no-checkout", url, folder);
  return folder;
}

describe("clone and fetch", () => {
  it.each([["0"], ["2"]])("serves a client of protocol %s", async (version) => {
    hidden = [];
    const folder = await clone("-c", `protocol.version=${version}`);
    const branches = await client(
      "-C",
      folder,
      "branch",
      "-r",
      "--format=%(objectname) %(refname:lstrip=3)",
    );
    for (const [name, tip] of Object.entries(tips)) expect(branches).toContain(`${tip} ${name}\n`);
    await client("-C", folder, "fsck", "--full", "--strict");
    const next = await commitFiles(repoPath, [tips["main"] ?? ""], { a: `${version} next\n` });
    await updateRef(repoPath, "refs/heads/main", next, tips["main"] ?? null);
    tips["main"] = next;
    await client("-c", `protocol.version=${version}`, "-C", folder, "fetch", "--quiet");
    expect(await client("-C", folder, "rev-parse", "origin/main")).toBe(`${next}\n`);
  });

  it.each([["0"], ["2"]])(
    "hides hidden references from protocol %s, even by id",
    async (version) => {
      hidden = ["refs/omoi/", "refs/heads/workspace-b"];
      const secret = tips["workspace-b"] ?? "";
      const use = ["-c", `protocol.version=${version}`];
      const listed = await client(...use, "ls-remote", url);
      expect(listed).toContain(tips["workspace-a"]);
      expect(listed).not.toMatch(new RegExp(`omoi|workspace-b|${secret}`));
      const folder = await clone(...use);
      await expect(client("-C", folder, "cat-file", "-e", secret)).rejects.toThrow();
      const fetch = client(...use, "-C", folder, "fetch", "--quiet", "origin", secret);
      await expect(fetch).rejects.toThrow(/not our ref|unadvertised/);
      hidden = ["refs", "!refs/heads/workspace-a"];
      const advertised = (await client(...use, "ls-remote", url)).trim().split("\n");
      expect(advertised.map((line) => line.split("\t")[1])).toEqual([
        "HEAD",
        "refs/heads/workspace-a",
      ]);
    },
  );

  it("serves a partial clone if everything is readable", async () => {
    hidden = [];
    const folder = join(root, "partial");
    await client("clone", "--quiet", "--filter=blob:none", url, folder);
    expect(await client("-C", folder, "show", "HEAD:a")).toContain("next");
  });

  it("rejects a forged request and stops with its client", async () => {
    hidden = ["refs/omoi", "refs/heads/workspace-b"];
    const want = `0032want ${tips["workspace-b"]}\n00000009done\n`;
    const forged = uploadPack(repoPath, Readable.from([Buffer.from(want)]), "version=2", hidden);
    await expect(forged.body.toArray()).rejects.toMatchObject({ reason: "exit", exitCode: 128 });
    expect((await forged.exit).stderr).toContain("not our ref");

    const gone = uploadPack(repoPath, new Readable({ read: () => undefined }), undefined, []);
    gone.body.destroy();
    expect((await gone.exit).exitCode).toBe(null);

    const body = new Readable({ read: () => undefined });
    const cut = uploadPack(repoPath, body, undefined, []);
    cut.body.on("error", () => undefined);
    body.destroy();
    cut.body.resume();
    expect((await cut.exit).exitCode).toBe(null);
  });

  it("rejects prefixes that are not references", () => {
    for (const prefix of ["", "heads/x", "refs/heads/../x", "!!refs/x", "^refs/x", "refs/a\nb"]) {
      expect(() => advertiseRefs(repoPath, undefined, [prefix]), prefix).toThrow(TypeError);
    }
  });
});

describe("protocolFor", () => {
  it("passes only well-formed values, and version 2 only if nothing is hidden", () => {
    expect(protocolFor("version=2", [])).toBe("version=2");
    expect(protocolFor("version=1:key=value", [])).toBe("version=1:key=value");
    expect(protocolFor("version=2", ["refs/omoi"])).toBe(undefined);
    const bad = [
      "version=3",
      "version=2\n",
      "version=2:",
      "x",
      "",
      "version=2;rm",
      `version=2:${"a".repeat(300)}`,
    ];
    for (const header of [undefined, ...bad]) expect(protocolFor(header, [])).toBe(undefined);
  });
});
