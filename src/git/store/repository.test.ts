import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rm, symlink, utimes, writeFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { initBare, isRefName } from "./bare-repository.js";
import { exists } from "../files/atomic-directory.js";
import {
  commitsBetween,
  commitTree,
  createRepository,
  isAncestor,
  resolveCommit,
  resolveTree,
} from "./repository.js";
import {
  deleteRef,
  listRefs,
  RefMovedError,
  startRefUpdates,
  updateRef,
  updateRefs,
} from "./refs.js";
import { fetchUpstream, cloneUpstream } from "../upstream/fetch-upstream.js";
import { EMPTY_TREE, git } from "../process/run.js";
import { removeStaleLocks } from "./stale-locks.js";
import { commitFiles, readFiles, testRepository } from "#test/support/git/test-repository.js";
import { UpstreamError } from "../upstream/upstream-error.js";

const run = promisify(execFile);
const missing = "0123456789".repeat(4);
const main = "refs/heads/main";

let root = "";
let repoPath = "";
let dispose = async (): Promise<void> => undefined;

beforeEach(async () => {
  ({ root, repoPath, dispose } = await testRepository());
});
afterEach(() => dispose());

async function config(path: string, key: string): Promise<string> {
  const { stdout } = await git(["config", "--file", join(path, "config"), key]);
  return stdout.toString().trim();
}

describe("createRepository", () => {
  it("creates a complete repository with one empty commit and no hooks", async () => {
    const path = join(root, "new", "p.git");
    await mkdir(join(root, "new", "p.git.creating", "objects"), { recursive: true });
    const { head } = await createRepository(path, "trunk/x");
    expect(await readdir(join(root, "new"))).toEqual(["p.git"]);
    expect(await readFile(join(path, "HEAD"), "utf8")).toBe("ref: refs/heads/trunk/x\n");
    expect(await resolveCommit(path, "refs/heads/trunk/x")).toBe(head);
    const { stdout } = await git(["cat-file", "commit", head], { gitDir: path });
    expect(stdout.toString()).toMatch(
      new RegExp(
        `^tree ${EMPTY_TREE}\nauthor Omoi <omoi@localhost> \\d+ \\+0000\n.*\n\nInitial commit\n$`,
      ),
    );
    expect(await exists(join(path, "hooks"))).toBe(false);
    expect(await config(path, "receive.fsckObjects")).toBe("true");
    expect(await config(path, "gc.auto")).toBe("0");
    await git(["fsck", "--strict", "--full"], { gitDir: path });
    // A retry after a crash finds the same repository.
    expect(await createRepository(path, "trunk/x")).toEqual({ head });
  });

  it("rejects branch names that git rejects, leaving nothing behind", async () => {
    for (const branch of [
      "",
      "-x/../y",
      "a b",
      "a..b",
      "x.lock",
      "a\n",
      "@{u}",
      "a~1",
      "/a",
      "a/",
    ]) {
      await expect(createRepository(join(root, "bad.git"), branch), branch).rejects.toThrow(
        TypeError,
      );
    }
    expect(await readdir(root)).toEqual(["project.git"]);
  });
});

describe("references", () => {
  it("agrees with git on valid reference names", async () => {
    const names = [
      "refs/heads/a",
      "refs/heads/a/b.c",
      "refs/a.lock",
      "refs/a.lock/b",
      "refs/..",
      "refs/a/.b",
      "refs/a.",
      "refs/a./b",
      "refs//a",
      "refs/a/",
      "refs/a@{b",
      "refs/@",
      "refs/a b",
      "refs/a\\b",
      "refs/a^",
      "refs/a:b",
      "refs/a?",
      "refs/a*",
      "refs/a[",
      "refs/a~",
      "refs/é",
      "refs/a\u007f",
      "refs/heads/-a",
    ];
    for (const name of names) {
      const { exitCode } = await git(["check-ref-format", name], { okExitCodes: [0, 1] });
      expect(isRefName(name), name).toBe(exitCode === 0);
    }
  });

  it("moves references only by compare-and-swap", async () => {
    const one = await commitFiles(repoPath, [], { a: "1" });
    const two = await commitFiles(repoPath, [one], { a: "2" });
    await expect(updateRef(repoPath, main, two, one)).rejects.toThrow(RefMovedError);
    await updateRef(repoPath, main, one, null);
    await expect(updateRef(repoPath, main, two, null)).rejects.toMatchObject({ ref: main });
    await expect(updateRef(repoPath, main, one, two)).rejects.toThrow(RefMovedError);
    await updateRef(repoPath, main, two, one);
    expect(await resolveCommit(repoPath, main)).toBe(two);
    await expect(deleteRef(repoPath, main, one)).rejects.toThrow(RefMovedError);
    await deleteRef(repoPath, main, two);
    expect(await resolveCommit(repoPath, main)).toBe(null);
    await expect(deleteRef(repoPath, main, two)).rejects.toThrow(RefMovedError);
    await expect(updateRef(repoPath, main, missing, null)).rejects.not.toThrow(RefMovedError);
    await expect(updateRef(repoPath, "HEAD", one, null)).rejects.toThrow(TypeError);
    await expect(updateRef(repoPath, main, "main", null)).rejects.toThrow(TypeError);
  });

  it("lets exactly one of many concurrent updates succeed", async () => {
    const base = await commitFiles(repoPath, [], { a: "0" });
    await updateRef(repoPath, main, base, null);
    const tips: string[] = [];
    for (let at = 0; at < 10; at += 1)
      tips.push(await commitFiles(repoPath, [base], { a: `${at}x` }));
    const results = await Promise.allSettled(
      tips.map((tip) => updateRef(repoPath, main, tip, base)),
    );
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const moved = results.findIndex(({ status }) => status === "fulfilled");
    expect(await resolveCommit(repoPath, main)).toBe(tips[moved]);
  });

  it("updates several references at once or none", async () => {
    const one = await commitFiles(repoPath, [], { a: "1" });
    const two = await commitFiles(repoPath, [one], { a: "2" });
    const keep = "refs/keep/x";
    await updateRef(repoPath, main, one, null);
    const late = [
      { ref: keep, newSha: two, expectedOld: null },
      { ref: main, newSha: two, expectedOld: two },
    ];
    await expect(updateRefs(repoPath, late)).rejects.toMatchObject({ ref: main });
    expect(await listRefs(repoPath, "refs/")).not.toContainEqual({ ref: keep, sha: two });
    await updateRefs(repoPath, [
      { ref: keep, newSha: two, expectedOld: null },
      { ref: main, newSha: two, expectedOld: one },
    ]);
    expect(await listRefs(repoPath, "refs/keep/")).toEqual([{ ref: keep, sha: two }]);
    expect(await listRefs(repoPath, main)).toEqual([{ ref: main, sha: two }]);
    expect(await listRefs(repoPath, "refs/nothing/")).toEqual([]);
  });

  it("resolves full names and ids of commits, nothing else", async () => {
    const one = await commitFiles(repoPath, [], { a: "1" });
    const two = await commitFiles(repoPath, [one], { a: "2" });
    await updateRef(repoPath, main, two, null);
    const { stdout } = await git(["rev-parse", `${two}^{tree}`], { gitDir: repoPath });
    expect(await resolveCommit(repoPath, two)).toBe(two);
    for (const rev of [
      "main",
      "HEAD",
      `${main}~1`,
      `${main}@{0}`,
      "--all",
      "-h",
      "",
      missing,
      two.slice(0, 12),
      stdout.toString().trim(),
      `${main}\n`,
    ]) {
      expect(await resolveCommit(repoPath, rev), rev).toBe(null);
    }
  });

  it("answers ancestry and lists the commits in between", async () => {
    const base = await commitFiles(repoPath, [], { a: "0" });
    const left = await commitFiles(repoPath, [base], { a: "1" });
    const right = await commitFiles(repoPath, [base], { a: "2" });
    const merged = await commitFiles(repoPath, [left, right], { a: "3" });
    expect(await isAncestor(repoPath, base, merged)).toBe(true);
    expect(await isAncestor(repoPath, merged, merged)).toBe(true);
    expect(await isAncestor(repoPath, merged, base)).toBe(false);
    expect(await commitsBetween(repoPath, merged, [left])).toEqual([merged, right]);
    expect(await commitsBetween(repoPath, merged, [left, right])).toEqual([merged]);
    expect(await commitsBetween(repoPath, base, [merged])).toEqual([]);
    await expect(isAncestor(repoPath, missing, base)).rejects.toThrow("git merge-base");
    await expect(commitsBetween(repoPath, "--all", [])).rejects.toThrow(TypeError);
  });
});

describe("removeStaleLocks", () => {
  it("removes the lock of a killed git, and no fresh one", async () => {
    const one = await commitFiles(repoPath, [], { a: "1" });
    const lock = join(repoPath, `${main}.lock`);
    await writeFile(lock, "");
    await expect(updateRef(repoPath, main, one, null)).rejects.toMatchObject({ reason: "exit" });
    expect(await removeStaleLocks(repoPath)).toBe(0);
    await utimes(lock, 1000, Date.now() / 1000 - 61);
    expect(await removeStaleLocks(repoPath)).toBe(1);
    await updateRef(repoPath, main, one, null);
  });

  it("is repeated when a reference cannot be locked", async () => {
    const one = await commitFiles(repoPath, [], { a: "1" });
    for (const name of ["HEAD.lock", `${main}.lock`]) {
      const lock = join(repoPath, name);
      await writeFile(lock, "");
      await utimes(lock, 1000, Date.now() / 1000 - 61);
    }
    await updateRef(repoPath, main, one, null);
    expect(await resolveCommit(repoPath, main)).toBe(one);
  });
});

describe("startRefUpdates", () => {
  it("waits, does nothing after a cancel, and detects concurrent updates", async () => {
    const one = await commitFiles(repoPath, [], { a: "1" });
    const two = await commitFiles(repoPath, [one], { a: "2" });
    await updateRef(repoPath, "refs/heads/x", one, null);
    const move = { ref: "refs/heads/x", newSha: two, expectedOld: one };
    const cancelled = startRefUpdates(repoPath);
    const first = startRefUpdates(repoPath);
    const second = startRefUpdates(repoPath);
    cancelled.cancel();
    expect(await resolveCommit(repoPath, "refs/heads/x")).toBe(one);
    await first.finish([move]);
    first.cancel();
    expect(await resolveCommit(repoPath, "refs/heads/x")).toBe(two);
    await expect(second.finish([move])).rejects.toThrow(RefMovedError);
    await expect(cancelled.finish([{ ...move, expectedOld: two }])).rejects.toThrow();
    await expect(startRefUpdates(repoPath).finish([{ ...move, ref: "-x" }])).rejects.toThrow(
      TypeError,
    );
    expect(await listRefs(repoPath, "refs/heads/x")).toEqual([{ ref: "refs/heads/x", sha: two }]);
  });
});

describe("commitTree", () => {
  const date = new Date("2026-01-02T03:04:05.678Z");

  it("stores exactly the bytes that git would", async () => {
    const parent = await commitFiles(repoPath, [], { a: "1" });
    const tree = await resolveTree(repoPath, parent);
    const env = {
      GIT_AUTHOR_NAME: "worker é",
      GIT_AUTHOR_EMAIL: "w@agents",
      GIT_AUTHOR_DATE: "@1767323045 +0000",
      GIT_COMMITTER_NAME: "Omoi",
      GIT_COMMITTER_EMAIL: "omoi@localhost",
      GIT_COMMITTER_DATE: "@1767323045 +0000",
    };
    const args = ["commit-tree", tree, "-p", parent, "-p", parent, "-F", "-"];
    const { stdout } = await git(args, { gitDir: repoPath, env, input: "Läßt\n\nBody\n" });
    const commit = { tree, parents: [parent, parent], message: "Läßt\n\nBody", date };
    const author = { name: "worker é", email: "w@agents" };
    expect(await commitTree(repoPath, { ...commit, author })).toBe(stdout.toString().trim());
    const other = await commitTree(repoPath, { ...commit, author, message: "" });
    await git(["fsck", "--strict", "--full", "--no-dangling", other], { gitDir: repoPath });
    const { mode } = await stat(join(repoPath, "objects", other.slice(0, 2), other.slice(2)));
    expect(mode & 0o777).toBe(0o444);
  });

  it("stores its input, deterministically", async () => {
    const parent = await commitFiles(repoPath, [], { a: "1" });
    const commit = {
      tree: EMPTY_TREE,
      parents: [parent],
      message: "[Agent worker-1] Iteration 1\n\nBody é\n\n",
      author: { name: "worker-1", email: "worker-1@agents" },
      date,
    };
    const sha = await commitTree(repoPath, commit);
    expect(await commitTree(repoPath, commit)).toBe(sha);
    const { stdout } = await git(["cat-file", "commit", sha], { gitDir: repoPath });
    expect(stdout.toString()).toBe(
      `tree ${EMPTY_TREE}\nparent ${parent}\n` +
        "author worker-1 <worker-1@agents> 1767323045 +0000\n" +
        "committer Omoi <omoi@localhost> 1767323045 +0000\n\n" +
        "[Agent worker-1] Iteration 1\n\nBody é\n",
    );
  });

  it.each([
    ["x> 0 +0000\nparent 123 <y", "a@b>\n<c", "x  0 +0000 parent 123  y <a@b  c>"],
    ["...", "", "Unknown <>"],
    ["\u0000 -n \u0007", "\n", "-n <>"],
  ])("keeps the name %j from breaking the commit", async (name, email, expected) => {
    const author = { name, email };
    const message = "--amend\0x";
    const sha = await commitTree(repoPath, {
      tree: EMPTY_TREE,
      parents: [],
      message,
      author,
      date,
    });
    const { stdout } = await git(["cat-file", "commit", sha], { gitDir: repoPath });
    const [, line = "", committer = "", , body] = stdout.toString().split("\n");
    expect(line.replaceAll(/ +/g, " ")).toBe(
      `author ${expected} 1767323045 +0000`.replaceAll(/ +/g, " "),
    );
    expect(committer).toMatch(/^committer Omoi/);
    expect(body).toBe("--amendx");
  });
});

describe("cloneUpstream", () => {
  const protocols = ["file"] as const;

  /**
   * An upstream with two branches, a tag, one of Omoi's names, and data that must not be copied.
   */
  async function upstream(): Promise<{ path: string; tip: string }> {
    const path = join(root, "upstream.git");
    await initBare(path, "trunk");
    const base = await commitFiles(path, [], { a: "1", big: "x\n".repeat(5000) });
    const tip = await commitFiles(path, [base], { a: "2", "d/b": "b" });
    await updateRef(path, "refs/heads/trunk", tip, null);
    await updateRef(path, "refs/heads/topic/x", base, null);
    await updateRef(path, "refs/heads/workspace-a", base, null);
    await updateRef(path, "refs/tags/v1", base, null);
    await updateRef(path, "refs/notes/secret", base, null);
    await mkdir(join(path, "hooks"));
    await writeFile(join(path, "hooks", "post-checkout"), "#!/bin/sh\n", { mode: 0o755 });
    return { path, tip };
  }

  async function reason(url: string, options: Partial<Parameters<typeof cloneUpstream>[2]> = {}) {
    const target = join(root, "in.git");
    const error: unknown = await cloneUpstream(target, url, { protocols, ...options }).then(
      () => null,
      (failure: unknown) => failure,
    );
    expect(error).toBeInstanceOf(UpstreamError);
    const { message } = error as UpstreamError;
    expect(message).toMatch(/^[A-Z].*\.$/);
    expect(message).not.toContain("secret");
    expect((await readdir(root)).filter((name) => name.startsWith("in.git"))).toEqual([]);
    return (error as UpstreamError).reason;
  }

  it("fetches branches and tags, reports progress and copies nothing else", async () => {
    const { path, tip } = await upstream();
    const seen: number[] = [];
    const onProgress = (percent: number): void => void seen.push(percent);
    const target = join(root, "imports", "in.git");
    const answer = await cloneUpstream(target, `file://${path}`, { protocols, onProgress });
    expect(answer).toEqual({ head: tip, defaultBranch: "trunk" });
    const refs = (await listRefs(target, "refs/")).map(({ ref }) => ref);
    expect(refs).toEqual([
      "refs/heads/topic/x",
      "refs/heads/trunk",
      "refs/tags/v1",
      "refs/upstream/heads/topic/x",
      "refs/upstream/heads/trunk",
    ]);
    expect(await readFiles(target, tip)).toEqual({ a: "2", "d/b": "b" });
    expect(seen.at(-1)).toBe(100);
    expect(seen.length).toBeGreaterThan(2);
    expect(seen).toEqual([...new Set(seen)].toSorted((a, b) => a - b));
    expect(seen.every((percent) => Number.isInteger(percent) && percent >= 0)).toBe(true);
    expect(await readdir(join(root, "imports"))).toEqual(["in.git"]);
    expect((await readdir(target)).sort()).toEqual(
      ["HEAD", "config", "objects", "packed-refs", "refs"]
        .filter((name) => name !== "packed-refs")
        .sort(),
    );
    expect(await readFile(join(target, "config"), "utf8")).not.toContain("upstream");
    // A retry after a crash finds the complete repository.
    expect(await cloneUpstream(target, `file://${path}`, { protocols })).toEqual(answer);
  });

  it("falls back to main, master or the first branch if HEAD is dangling", async () => {
    const path = join(root, "headless.git");
    await initBare(path, "workspace-mine");
    const tip = await commitFiles(path, [], { a: "1" });
    await updateRef(path, "refs/heads/workspace-mine", tip, null);
    expect(await reason(`file://${path}`)).toBe("empty");
    for (const branch of ["zz", "b", "master", "main"]) {
      await updateRef(path, `refs/heads/${branch}`, tip, null);
      const target = join(root, `to-${branch}.git`);
      const { defaultBranch } = await cloneUpstream(target, `file://${path}`, { protocols });
      expect(defaultBranch).toBe(branch);
    }
  });

  it("fetches again beside the repository's own branches", async () => {
    const { path, tip } = await upstream();
    const target = join(root, "in.git");
    await cloneUpstream(target, `file://${path}`, { protocols });
    const next = await commitFiles(path, [tip], { a: "3" });
    await updateRef(path, "refs/heads/trunk", next, tip);
    await fetchUpstream(target, `file://${path}`, { protocols });
    expect(await resolveCommit(target, "refs/heads/trunk")).toBe(tip);
    expect(await listRefs(target, "refs/upstream/heads/trunk")).toEqual([
      { ref: "refs/upstream/heads/trunk", sha: next },
    ]);
    expect(await exists(join(target, "import.config"))).toBe(false);
    expect(await exists(join(target, "FETCH_HEAD"))).toBe(false);
  });

  it("explains errors in a sentence", async () => {
    const { path } = await upstream();
    await initBare(join(root, "empty.git"), "main");
    await mkdir(join(root, "plain"));
    expect(await reason(`file://${join(root, "empty.git")}`)).toBe("empty");
    expect(await reason(`file://${join(root, "plain")}`)).toBe("not_a_repository");
    expect(await reason(`file://${join(root, "nothing")}`)).toBe("not_found");
    expect(await reason(`file://${path}`, { protocols: ["https"] })).toBe("unsupported_url");
    const all = { protocols: ["file", "https", "ssh"] as const };
    for (const url of [
      "ext::sh -c touch% x",
      "http://x/y",
      "git@host:x",
      path,
      "-u",
      "",
      "file://host/x",
      "https://-oProxyCommand=x/y",
      "ssh://-oProxyCommand=x/y",
    ]) {
      expect(await reason(url, all), url).toBe("unsupported_url");
    }
    expect(await reason("https://me:secret@127.0.0.1:1/x.git", all)).toBe("unsupported_url");
    expect(await reason("https://127.0.0.1:1/x.git", all)).toBe("unreachable");
    expect(await reason(`file://${path}`, { signal: AbortSignal.abort() })).toBe("aborted");
    expect(await reason(`file://${path}`, { timeoutMs: 1 })).toBe("timed_out");
  });

  it("rejects local sources that lead to the objects of others", async () => {
    const { path } = await upstream();
    const alternates = join(path, "objects", "info", "alternates");
    await mkdir(join(path, "objects", "info"), { recursive: true });
    await writeFile(alternates, `${join(repoPath, "objects")}\n`);
    expect(await reason(`file://${path}`)).toBe("refused");
    await rm(alternates);
    await mkdir(join(root, "pointer"));
    await writeFile(join(root, "pointer", ".git"), `gitdir: ${path}\n`);
    expect(await reason(`file://${join(root, "pointer")}`)).toBe("not_a_repository");
    await mkdir(join(root, "linked.git"));
    for (const name of ["HEAD", "objects", "refs"]) {
      await symlink(join(path, name), join(root, "linked.git", name));
    }
    expect(await reason(`file://${join(root, "linked.git")}`)).toBe("refused");
  });

  it("rejects unsafe and damaged objects", async () => {
    const { path, tip } = await upstream();
    const blob = await git(["hash-object", "-w", "--stdin"], { gitDir: path, input: "evil" });
    const entry = `100644 blob ${blob.stdout.toString().trim()}\t.GIT\0`;
    const tree = await git(["mktree", "-z"], { gitDir: path, input: entry });
    const author = { name: "a", email: "a@b" };
    const commit = { parents: [tip], message: "evil", author, date: new Date(0) };
    const evil = await commitTree(path, { ...commit, tree: tree.stdout.toString().trim() });
    await updateRef(path, "refs/heads/evil", evil, null);
    expect(await reason(`file://${path}`)).toBe("refused");
  });

  it("runs no hooks or settings of a local source", async () => {
    const { path } = await upstream();
    const canary = join(root, "canary");
    await run("git", [
      "config",
      "--file",
      join(path, "config"),
      "uploadpack.packObjectsHook",
      `touch ${canary};`,
    ]);
    await run("git", [
      "config",
      "--file",
      join(path, "config"),
      "core.fsmonitor",
      `touch ${canary}`,
    ]);
    await cloneUpstream(join(root, "in.git"), `file://${path}`, { protocols });
    expect(await exists(canary)).toBe(false);
  });

  it("sends nothing to a server without TLS", async () => {
    const seen: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(302, { location: "https://example.org/" }).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const url = `https://127.0.0.1:${port}/x.git`;
      const login = { kind: "https_token", username: "me", token: "secret" } as const;
      expect(await reason(url, { protocols: ["https"], login })).toBe("unreachable");
      expect(seen).toEqual([]);
    } finally {
      server.close();
    }
  });
});
