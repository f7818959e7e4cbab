import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isAlive } from "#test/support/server/server-process.js";
import { git, GitError, gitVersion, bufferOutput, spawnGit, type GitOptions } from "./run.js";
import { commitFiles, testRepository } from "#test/support/git/test-repository.js";

let root = "";
let repoPath = "";
let dispose = async (): Promise<void> => undefined;

beforeAll(async () => {
  ({ root, repoPath, dispose } = await testRepository());
});
afterAll(() => dispose());

async function failure(work: Promise<unknown>): Promise<GitError> {
  const error: unknown = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(GitError);
  return error as GitError;
}

/** A git process that waits for input forever. */
const waiting = ["cat-file", "--batch"];

describe("git", () => {
  it("knows its version", async () => {
    const { major, minor, text } = await gitVersion();
    expect(major * 100 + minor).toBeGreaterThanOrEqual(243);
    expect(text).toContain(`${major}.${minor}`);
  });

  it("limits memory, descriptors and file size", async () => {
    const alias = ["-c", "alias.show-limits=!cat /proc/self/limits", "show-limits"];
    const limitsOf = async (options: GitOptions): Promise<string> =>
      (await git(alias, { gitDir: repoPath, ...options })).stdout.toString();
    const usual = await limitsOf({});
    expect(usual).toMatch(/Max data size\s+2147483648/);
    expect(usual).toMatch(/Max open files\s+1024 /);
    expect(usual).toMatch(/Max core file size\s+0 /);
    expect(usual).toMatch(/Max file size\s+68719476736 /);
    expect(await limitsOf({ maxFileBytes: 1024 * 1024 })).toMatch(/Max file size\s+1048576 /);
  });

  it("hides the server's environment and the settings of user and machine", async () => {
    process.env["GIT_DIR"] = "/elsewhere";
    process.env["OMOI_SECRET"] = "hidden";
    try {
      const alias = ["-c", "alias.show-env=!env", "show-env"];
      const { stdout } = await git(alias, { gitDir: repoPath });
      const names = stdout
        .toString()
        .split("\n")
        .map((line) => line.split("=")[0]);
      expect(stdout.toString()).not.toMatch(/hidden|elsewhere/);
      const own = names.filter((name) => name && !/^(?:GIT_|PWD$|SHLVL$|_$|OLDPWD$)/.test(name));
      expect(own.map(String).toSorted((a, b) => a.localeCompare(b))).toEqual([
        "HOME",
        "LC_ALL",
        "PATH",
        "TZ",
        "XDG_CONFIG_HOME",
      ]);
    } finally {
      delete process.env["GIT_DIR"];
      delete process.env["OMOI_SECRET"];
    }
    const { stdout } = await git(["config", "--list", "--show-scope"], { gitDir: repoPath });
    const scopes = stdout
      .toString()
      .split("\n")
      .filter(Boolean)
      .map((line) => line.split("\t")[0]);
    expect(new Set(scopes)).toEqual(new Set(["command", "local"]));
  });

  it("passes only allowed variables", async () => {
    for (const name of ["GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "LD_PRELOAD", "GIT_DIR", "PATH"]) {
      await expect(git(["version"], { env: { [name]: "x" } })).rejects.toThrow(TypeError);
    }
    const env = { GIT_AUTHOR_NAME: "A", GIT_AUTHOR_EMAIL: "a@b", GIT_AUTHOR_DATE: "@5 +0000" };
    const { stdout } = await git(["var", "GIT_AUTHOR_IDENT"], { gitDir: repoPath, env });
    expect(stdout.toString()).toBe("A <a@b> 5 +0000\n");
  });

  it("enables no protocol unless requested", async () => {
    for (const url of [
      `file://${repoPath}`,
      "https://127.0.0.1:1/x",
      "ext::true",
      "ssh://127.0.0.1:1/x",
    ]) {
      const error = await failure(git(["ls-remote", url], { gitDir: repoPath }));
      expect(error.stderr, url).toContain("not allowed");
    }
    await git(["ls-remote", `file://${repoPath}`], { gitDir: repoPath, protocols: ["file"] });
    const ext = await failure(
      git(["ls-remote", "ext::true"], { gitDir: repoPath, protocols: ["file"] }),
    );
    expect(ext.stderr).toContain("not allowed");
  });

  it("adds the settings of a call to the fixed ones", async () => {
    const get = async (key: string, config?: [string, string][]): Promise<string> => {
      const options = config === undefined ? {} : { config };
      return (await git(["config", "--get", key], options)).stdout.toString().trim();
    };
    expect(await get("core.hooksPath")).toBe("/dev/null");
    expect(await get("test.key", [["test.key", "a=b c"]])).toBe("a=b c");
    expect(await get("core.bigFileThreshold", [["core.bigFileThreshold", "8m"]])).toBe("8m");
  });

  it("runs no hooks of a repository", async () => {
    const commit = await commitFiles(repoPath, [], { a: "a" });
    const { mkdir } = await import("node:fs/promises");
    await mkdir(join(repoPath, "hooks"));
    const canary = join(root, "canary");
    const hook = join(repoPath, "hooks", "reference-transaction");
    await writeFile(hook, `#!/bin/sh\ntouch ${canary}\n`, { mode: 0o755 });
    await git(["update-ref", "refs/heads/hooked", commit], { gitDir: repoPath });
    expect(await readdir(root)).not.toContain("canary");
    expect(await readFile(hook, "utf8")).toContain("touch");
  });

  it("returns output and exit codes", async () => {
    const hash = await git(["hash-object", "--stdin"], { gitDir: repoPath, input: "x\n" });
    expect(hash.stdout.toString()).toBe("587be6b4c3f93f93c489c0111bba5596147a26cb\n");
    const args = ["rev-parse", "--verify", "--quiet", "refs/none"];
    expect(await failure(git(args, { gitDir: repoPath }))).toMatchObject({
      reason: "exit",
      exitCode: 1,
      args,
    });
    expect((await git(args, { gitDir: repoPath, okExitCodes: [1] })).exitCode).toBe(1);
    const error = await failure(git(["cat-file", "-p", "nothing"], { gitDir: repoPath }));
    expect(error).toMatchObject({ reason: "exit", exitCode: 128 });
    expect(error.stderr).toContain("Not a valid object name");
    // Input that git does not read to the end is not an error.
    await git(["version"], { input: Buffer.alloc(5_000_000) });
    await git(["version"], { input: Readable.from([Buffer.alloc(5_000_000)]) });
  });

  it("streams input, and fails if the input fails", async () => {
    const args = ["cat-file", "--batch-check"];
    const input = new PassThrough();
    const checked = git(args, { gitDir: repoPath, input });
    input.write("one\n");
    setImmediate(() => input.end("other\n"));
    expect((await checked).stdout.toString()).toBe("one missing\nother missing\n");
    const failing = new PassThrough();
    const failed = failure(git(args, { gitDir: repoPath, input: failing }));
    failing.destroy(new Error("no more"));
    expect(await failed).toMatchObject({ reason: "exit", exitCode: null, args });
  });

  it("stops at the time limit, the output limit and an abort", async () => {
    const late = spawnGit(waiting, { gitDir: repoPath, stdin: "pipe", timeoutMs: 50 });
    late.stdout.resume();
    expect(await failure(late.done)).toMatchObject({ reason: "timeout" });
    const controller = new AbortController();
    const aborted = spawnGit(waiting, {
      gitDir: repoPath,
      stdin: "pipe",
      signal: controller.signal,
    });
    aborted.stdout.resume();
    controller.abort();
    expect(await failure(aborted.done)).toMatchObject({ reason: "aborted" });
    const signal = AbortSignal.abort();
    expect(await failure(git(["version"], { signal }))).toMatchObject({ reason: "aborted" });
    const big = commitFiles(repoPath, [], { big: "0123456789".repeat(100_000) });
    const show = git(["cat-file", "blob", `${await big}:big`], {
      gitDir: repoPath,
      maxOutputBytes: 999_999,
    });
    expect(await failure(show)).toMatchObject({ reason: "output_too_large" });
    const fits = { gitDir: repoPath, maxOutputBytes: 1_000_000 };
    expect((await git(["cat-file", "blob", `${await big}:big`], fits)).stdout).toHaveLength(
      1_000_000,
    );
  });

  it("kills the children of git too", async () => {
    const pidFile = join(root, "pid");
    const alias = `alias.wait=!echo $$ >${pidFile}; exec sleep 600`;
    const controller = new AbortController();
    const sleeping = failure(git(["-c", alias, "wait"], { signal: controller.signal }));
    const pid = () => readFile(pidFile, "utf8").then(Number, () => 0);
    await expect.poll(pid).toBeGreaterThan(0);
    controller.abort();
    // It settles once no process holds the output open.
    expect(await sleeping).toMatchObject({ reason: "aborted" });
    const started = await pid();
    await expect.poll(() => isAlive(started)).toBe(false);
  });

  it("reports that git cannot be started", async () => {
    const error = await failure(git(["version"], { cwd: join(root, "nowhere") }));
    expect(error).toMatchObject({ reason: "not_found", exitCode: null });
  });

  it("passes standard error on as it arrives", async () => {
    let seen = "";
    const onStderr = (text: string): void => void (seen += text);
    await failure(git(["no-such-command"], { onStderr }));
    expect(seen).toContain("not a git command");
  });
});

it("keeps output for a reader that attaches after the process ended", async () => {
  const child = spawnGit(["version"]);
  const output = bufferOutput(child.stdout);
  await child.done;
  const chunks: Buffer[] = [];
  for await (const chunk of output) chunks.push(chunk as Buffer);
  expect(Buffer.concat(chunks).toString()).toMatch(/^git version /);
});
