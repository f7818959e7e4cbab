import { execFile, spawn } from "node:child_process";
import {
  appendFile,
  chmod,
  mkdir,
  open,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { exists } from "../files/atomic-directory.js";
import {
  checkoutDriver,
  FolderMissingError,
  syncFolder,
  UnsavedChangesError,
} from "../worktree/worktree-driver.js";
import { looseObject } from "../objects/loose-object.js";
import { FileTooLargeError, NestedRepositoryError, UnsafePathError } from "../files/path-errors.js";
import { git } from "../process/run.js";
import { SafeFolder } from "../files/safe-folder.js";
import { snapshotFolder } from "./snapshot-folder.js";
import {
  commitFiles,
  readFiles,
  testRepository,
  type Files,
} from "#test/support/git/test-repository.js";
import { listTree } from "../objects/tree-reader.js";
import { writeTree } from "./update-index.js";

const run = promisify(execFile);

let root = "";
let repoPath = "";
let folder = "";
let indexFile = "";
let canary = "";
let dispose = async (): Promise<void> => undefined;

beforeEach(async () => {
  ({ root, repoPath, dispose } = await testRepository());
  folder = join(root, "workspaces", "ws_a");
  indexFile = join(root, "indexes", "a");
  canary = join(root, "canary");
});
afterEach(async () => {
  await dispose();
});

async function start(files: Files): Promise<string> {
  const commit = await commitFiles(repoPath, [], files);
  await checkoutDriver.create({ repoPath, commit, folder, indexFile });
  return commit;
}

async function put(path: string, data: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), data);
}

async function snapshot(parentTree?: string) {
  const input = { repoPath, folder, indexFile };
  return snapshotFolder(parentTree === undefined ? input : { ...input, parentTree });
}

async function readIndexTree(): Promise<string> {
  return writeTree({ gitDir: repoPath, indexFile });
}

/** A snapshot that must fail, leaving the index unchanged and no files beside it. */
async function refused(expected: new (...args: never[]) => Error): Promise<Error> {
  const before = await readFile(indexFile);
  const [outcome] = await Promise.allSettled([snapshot()]);
  const failure: unknown = outcome.status === "rejected" ? outcome.reason : null;
  expect(failure).toBeInstanceOf(expected);
  expect(await readFile(indexFile)).toEqual(before);
  expect(await readdir(dirname(indexFile))).toEqual(["a"]);
  return failure as Error;
}

/** Runs git as the agent, in its own environment as in the sandbox. */
/** Bytes read by this process and its finished children; 0 if the system does not report it. */
async function bytesRead(): Promise<number> {
  const io = await readFile("/proc/self/io", "utf8").catch(() => "");
  return Number(/^rchar: (\d+)/.exec(io)?.[1] ?? 0);
}

async function agentGit(cwd: string, ...args: string[]): Promise<void> {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: root,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_AUTHOR_NAME: "a",
    GIT_AUTHOR_EMAIL: "a@example.org",
    GIT_COMMITTER_NAME: "a",
    GIT_COMMITTER_EMAIL: "a@example.org",
  };
  await run("git", args, { cwd, env });
}

describe("snapshotFolder", () => {
  it("saves additions, edits, deletions, modes and links, and reports whether anything changed", async () => {
    await start({ a: "a", b: "b", "d/e": "e", link: { mode: "120000", data: "a" } });
    const first = await snapshot();
    expect(first).toMatchObject({ changed: false, skipped: [], tokens: [] });
    await put("a", "other");
    await put("new/deep/file", "n");
    await unlink(join(folder, "b"));
    await chmod(join(folder, "d/e"), 0o755);
    await unlink(join(folder, "link"));
    await symlink("d/e", join(folder, "link"));
    const second = await snapshot(first.tree);
    expect(second).toMatchObject({ changed: true, skipped: [], tokens: [] });
    expect(await readFiles(repoPath, second.tree)).toEqual({
      a: "other",
      "d/e": "x e",
      link: "-> d/e",
      "new/deep/file": "n",
    });
    expect(await snapshot(second.tree)).toEqual({
      tree: second.tree,
      changed: false,
      skipped: [],
      tokens: [],
    });
    // Compared with another tree, the same state is a change: an interrupted save is detected.
    expect(await snapshot(first.tree)).toMatchObject({ tree: second.tree, changed: true });
  });

  it("sees an edit of equal length within the second of the checkout", async () => {
    const commit = await start({ a: "one" });
    await put("a", "two");
    const { tree, changed } = await snapshot();
    expect(changed).toBe(true);
    expect(await readFiles(repoPath, tree)).toEqual({ a: "two" });
    expect(await readFiles(repoPath, commit)).toEqual({ a: "one" });
  });

  it("replaces files by folders and back, and folders by links", async () => {
    await start({ file: "f", "dir/x": "x", "dir/y": "y", "gone/z": "z", "hidden/h": "h" });
    await rm(join(folder, "file"));
    await put("file/inside", "i");
    await rm(join(folder, "dir"), { recursive: true });
    await put("dir", "now a file");
    await rm(join(folder, "gone"), { recursive: true });
    await symlink("file", join(folder, "gone"));
    // A link that is ignored itself, in place of a tracked folder.
    await rm(join(folder, "hidden"), { recursive: true });
    await symlink("file", join(folder, "hidden"));
    await put(".gitignore", "/hidden\n");
    const { tree } = await snapshot();
    expect(await readFiles(repoPath, tree)).toEqual({
      ".gitignore": "/hidden\n",
      "file/inside": "i",
      dir: "now a file",
      gone: "-> file",
    });
  });

  it("leaves out ignored paths, even if .gitignore is a link to the outside", async () => {
    await start({ ".gitignore": "*.log\nnode_modules/\n" });
    await put("x.log", "log");
    await put("node_modules/dep/.git/HEAD", "ref: refs/heads/main\n");
    await put("kept", "k");
    expect(await readFiles(repoPath, (await snapshot()).tree)).toEqual({
      ".gitignore": "*.log\nnode_modules/\n",
      kept: "k",
    });
    await writeFile(join(root, "outside-ignore"), "kept\n");
    await unlink(join(folder, ".gitignore"));
    await symlink(join(root, "outside-ignore"), join(folder, ".gitignore"));
    expect(Object.keys(await readFiles(repoPath, (await snapshot()).tree))).toContain("kept");
  });

  it("stores bytes unchanged, whatever .gitattributes says, and never runs a filter", async () => {
    await start({ z: "z" });
    const command = `touch ${canary}; cat`;
    await put(
      ".gitattributes",
      "* text=auto eol=crlf ident filter=evil working-tree-encoding=UTF-16\n",
    );
    await put("text", "one\r\ntwo\n$Id$\n");
    await agentGit(folder, "init", "--quiet");
    await agentGit(folder, "config", "filter.evil.clean", command);
    await agentGit(folder, "config", "filter.evil.smudge", command);
    await agentGit(folder, "config", "filter.evil.process", command);
    await agentGit(folder, "config", "core.fsmonitor", command);
    await agentGit(folder, "config", "core.hooksPath", root);
    await writeFile(join(root, "post-index-change"), `#!/bin/sh\n${command}\n`, { mode: 0o755 });
    const { tree } = await snapshot();
    expect(await readFiles(repoPath, tree)).toMatchObject({ text: "one\r\ntwo\n$Id$\n" });
    expect(Object.keys(await readFiles(repoPath, tree)).sort()).toEqual([
      ".gitattributes",
      "text",
      "z",
    ]);
    const commit = await commitFiles(repoPath, [], await readFiles(repoPath, tree));
    await checkoutDriver.create({ repoPath, commit, folder, indexFile });
    expect(await readFile(join(folder, "text"), "latin1")).toBe("one\r\ntwo\n$Id$\n");
    expect(await exists(canary)).toBe(false);
  });

  it("rejects nested repositories without running their hooks or filters", async () => {
    await start({ tracked: "file" });
    const nested = join(folder, "sub", "repo");
    await mkdir(nested, { recursive: true });
    const command = `touch ${canary}; cat`;
    await agentGit(nested, "init", "--quiet");
    await writeFile(join(nested, "file"), "f");
    await agentGit(nested, "add", "-A");
    await agentGit(nested, "commit", "--quiet", "-m", "x");
    await agentGit(nested, "config", "core.fsmonitor", command);
    await agentGit(nested, "config", "filter.evil.clean", command);
    await writeFile(join(nested, ".gitattributes"), "* filter=evil\n");
    await writeFile(join(nested, "file"), "changed");
    expect(await refused(NestedRepositoryError)).toMatchObject({ path: "sub/repo" });
    // The same in place of a tracked file.
    await unlink(join(folder, "tracked"));
    await rename(nested, join(folder, "tracked"));
    expect(await refused(NestedRepositoryError)).toMatchObject({ path: "tracked" });
    expect(await exists(canary)).toBe(false);
    await rm(join(folder, "tracked", ".git"), { recursive: true });
    const { tree } = await snapshot();
    expect(await readFiles(repoPath, tree)).toMatchObject({ "tracked/file": "changed" });
  });

  it("stores links to the outside as links and reads nothing behind them", async () => {
    await start({ "d/secret": "mine" });
    await mkdir(join(root, "outside"));
    await writeFile(join(root, "outside", "secret"), "not yours");
    await symlink(join(root, "outside", "secret"), join(folder, "to-file"));
    await rm(join(folder, "d"), { recursive: true });
    await symlink(join(root, "outside"), join(folder, "d"));
    const { tree } = await snapshot();
    expect(await readFiles(repoPath, tree)).toEqual({
      d: `-> ${join(root, "outside")}`,
      "to-file": `-> ${join(root, "outside", "secret")}`,
    });
  });

  it("skips special files and lists those that were tracked files", async () => {
    await start({ was: "file", z: "z" });
    await unlink(join(folder, "was"));
    await run("mkfifo", [join(folder, "was"), join(folder, "untracked")]);
    const { tree, skipped } = await snapshot();
    expect(skipped).toEqual([{ path: "was", reason: "fifo" }]);
    expect(await readFiles(repoPath, tree)).toEqual({ z: "z" });
  });

  it("rejects a file above the limit before reading it", async () => {
    await start({ small: "s" });
    for (const path of ["huge", "small"]) {
      const file = await open(join(folder, path), "w");
      await file.truncate(3 * 1024 ** 3);
      await file.close();
      const before = await bytesRead();
      const error = await refused(FileTooLargeError);
      expect(error).toMatchObject({ path, size: 3 * 1024 ** 3 });
      expect((await bytesRead()) - before).toBeLessThan(1024 ** 3);
      await unlink(join(folder, path));
    }
    await put("small", "x".repeat(11));
    const input = { repoPath, folder, indexFile };
    await expect(snapshotFolder({ ...input, maxFileBytes: 10 })).rejects.toThrow(FileTooLargeError);
    expect((await snapshotFolder({ ...input, maxFileBytes: 11 })).changed).toBe(true);
  });

  it("accepts names that look like options, contain newlines or are not text", async () => {
    await start({ z: "z" });
    const names = ["--upload-pack=x", "-rf", "new\nline", 'tab\tquote"', ":(glob)*", "*", " ", "é"];
    for (const name of names) await put(name, name);
    const bytes = Buffer.from([0x66, 0xff, 0x0a]);
    await writeFile(Buffer.concat([Buffer.from(`${folder}/`), bytes]), "bytes");
    const { tree } = await snapshot();
    const latin = (name: string): string => Buffer.from(name).toString("latin1");
    const expected = ["z", ...names.map(latin), bytes.toString("latin1")];
    expect([...(await listTree(repoPath, tree)).keys()].sort()).toEqual(expected.sort());
    await rm(Buffer.concat([Buffer.from(`${folder}/`), bytes]));
    expect((await listTree(repoPath, (await snapshot()).tree)).size).toBe(names.length + 1);
  });

  it.each([".GIT/config", "git~1", "d/.Git/hooks/x", "GIT~1/config", ".g\u200cit/config"])(
    "rejects the name %j, which git would silently leave out",
    async (name) => {
      await start({ z: "z" });
      await put("fine", "f");
      await put(name, "x");
      expect(await refused(UnsafePathError)).toMatchObject({ path: name });
    },
  );

  it("stops all work if a change listener throws", async () => {
    await start({ z: "z" });
    await put("z", "changed");
    const before = await readFile(indexFile);
    const onChanges = (): never => {
      throw new Error("refused");
    };
    const parentTree = await readIndexTree();
    const snapshot = snapshotFolder({ repoPath, folder, indexFile, parentTree, onChanges });
    await expect(snapshot).rejects.toThrow("refused");
    expect(await readFile(indexFile)).toEqual(before);
    expect(await readdir(dirname(indexFile))).toEqual(["a"]);
  });

  it("rejects paths found late and leaves no files beside the index", async () => {
    await start({ z: "z" });
    const parentTree = await readIndexTree();
    const before = await readFile(indexFile);
    await put("z", "changed");
    const file = await open(join(folder, "huge"), "w");
    await file.truncate(3 * 1024 ** 3);
    await file.close();
    const taking = snapshotFolder({ repoPath, folder, indexFile, parentTree });
    await expect(taking).rejects.toThrow(FileTooLargeError);
    await unlink(join(folder, "huge"));
    await run("git", ["init", "--quiet", join(folder, "nested")]);
    await put("nested/file", "f");
    const nested = snapshotFolder({ repoPath, folder, indexFile, parentTree });
    await expect(nested).rejects.toThrow(NestedRepositoryError);
    expect(await readFile(indexFile)).toEqual(before);
    expect(await readdir(dirname(indexFile))).toEqual(["a"]);
  });

  it("rejects a .gitmodules that is a link", async () => {
    await start({ z: "z" });
    await symlink("z", join(folder, ".gitmodules"));
    await refused(UnsafePathError);
  });

  it("never reads a .git at the top, whatever it is", async () => {
    await start({ z: "z" });
    await mkdir(join(root, "other.git"));
    await put(".git", `gitdir: ${join(root, "other.git")}\n`);
    expect((await snapshot()).changed).toBe(false);
    await unlink(join(folder, ".git"));
    await put(".git/config", "[core]\n\tworktree = /\n\tfsmonitor = touch canary\n");
    await put(".git/HEAD", "ref: refs/heads/main\n");
    expect((await snapshot()).changed).toBe(false);
  });

  it("rejects a folder that is a link, a file or missing", async () => {
    await start({ z: "z" });
    const moved = join(root, "moved");
    await rename(folder, moved);
    await refused(FolderMissingError);
    await symlink(moved, folder);
    await refused(FolderMissingError);
    await unlink(folder);
    await writeFile(folder, "");
    await refused(FolderMissingError);
  });

  it("leaves index and folder unchanged after an abort", async () => {
    await start({ z: "z" });
    await put("n", "n");
    const before = await readFile(indexFile);
    const signal = AbortSignal.abort();
    await expect(snapshotFolder({ repoPath, folder, indexFile, signal })).rejects.toMatchObject({
      reason: "aborted",
    });
    expect(await readFile(indexFile)).toEqual(before);
  });

  it("keeps submodules and saves their removal as a deletion", async () => {
    const submodule = { mode: "160000", data: "1".repeat(40) } as const;
    await start({ sub: submodule, z: "z" });
    const first = await snapshot();
    expect(first.changed).toBe(false);
    expect(await readFiles(repoPath, first.tree)).toMatchObject({ sub: `@ ${"1".repeat(40)}` });
    // The agent fills it: the server's git does not inspect its state.
    const sub = join(folder, "sub");
    await agentGit(sub, "init", "--quiet");
    await writeFile(join(sub, "file"), "f");
    await agentGit(sub, "add", "-A");
    await agentGit(sub, "commit", "--quiet", "-m", "x");
    await agentGit(sub, "config", "core.fsmonitor", `touch ${canary}; cat`);
    await writeFile(join(sub, "file"), "changed");
    expect(await snapshot()).toEqual(first);
    expect(await exists(canary)).toBe(false);
    await rm(sub, { recursive: true });
    expect(await readFiles(repoPath, (await snapshot()).tree)).toEqual({ z: "z" });
  });

  it("survives files that come and go during the snapshot", async () => {
    await start({ z: "z" });
    const stop = new AbortController();
    const churn = (async (): Promise<void> => {
      for (let round = 0; !stop.signal.aborted; round += 1) {
        await put(`t/${round % 50}`, "x".repeat(round % 3000));
        await appendFile(join(folder, "log"), `${round}\n`);
        await rm(join(folder, `t/${(round + 25) % 50}`), { force: true });
      }
    })();
    try {
      for (let round = 0; round < 5; round += 1) {
        const { tree } = await snapshot();
        expect(await readFiles(repoPath, tree)).toHaveProperty("z", "z");
      }
    } finally {
      stop.abort();
      await churn;
    }
  });
});

describe("a folder swapped for a link during the snapshot", () => {
  it("never stores content behind the link, not even as an object", async () => {
    const commit = await start({ z: "z" });
    await mkdir(join(root, "outside"));
    await mkdir(join(folder, "d"));
    for (let at = 0; at < 60; at += 1) {
      await writeFile(join(root, "outside", `${at}`), "stolen");
      await put(`d/${at}`, "inside");
    }
    await symlink(join(root, "outside"), join(folder, "l"));
    const swapping = swapForever("d", "l");
    const ended = new Promise((resolve) => swapping.once("exit", resolve));
    const { oid } = looseObject("blob", Buffer.from("stolen"));
    let saved = 0;
    try {
      for (let round = 0; round < 300; round += 1) {
        const result = await snapshot().catch((error: unknown) => error);
        expect(await exists(join(repoPath, "objects", oid.slice(0, 2), oid.slice(2)))).toBe(false);
        if (result instanceof Error) continue;
        saved += 1;
        const files = await readFiles(repoPath, (result as { tree: string }).tree);
        expect(Object.values(files)).not.toContain("stolen");
        await git(["read-tree", commit], { gitDir: repoPath, indexFile });
      }
    } finally {
      swapping.kill("SIGKILL");
      await ended;
    }
    expect(saved).toBeGreaterThan(0);
  });

  /**
   * Exchanges two names of the folder atomically, again and again (renameat2 with RENAME_EXCHANGE).
   */
  function swapForever(a: string, b: string): ReturnType<typeof spawn> {
    const call = process.arch === "arm64" ? 276 : 316;
    const script = `my ($one, $other) = @ARGV;
      for (my $n = 0; ; $n++) {
        syscall(${call}, -100, $one, -100, $other, 2) == 0 or die "renameat2: $!";
        select(undef, undef, undef, 0.0005) if $n % 7 == 0;
      }`;
    return spawn("perl", ["-e", script, a, b], { cwd: folder, stdio: "ignore" });
  }
});

describe("SafeFolder", () => {
  it("does not follow a link that replaced a folder", async () => {
    await start({ "d/e/f": "inside" });
    await mkdir(join(root, "outside", "e"), { recursive: true });
    await writeFile(join(root, "outside", "e", "f"), "outside");
    const safe = await SafeFolder.open(folder);
    expect(await safe.find("d/e/f")).toMatchObject({ kind: "file" });
    expect(await safe.find("d/e")).toMatchObject({ kind: "folder" });
    await rename(join(folder, "d"), join(root, "moved"));
    await symlink(join(root, "outside"), join(folder, "d"));
    expect(await safe.find("z")).toEqual({ kind: "gone", behindLink: false });
    expect(await safe.find("d/e/f")).toEqual({ kind: "gone", behindLink: true });
    expect(await safe.openFile("d/e/f")).toBe(null);
    expect(await safe.fileId("d/e/f")).toBe(null);
    expect(await safe.find("d")).toMatchObject({ kind: "link" });
    await safe.close();
    await expect(SafeFolder.open(join(folder, "d"))).rejects.toThrow();
  });
});

describe("syncFolder", () => {
  const base: Files = { a: "a", b: "b", "d/x": "x" };

  it("moves a clean folder to another commit, and the index with it", async () => {
    const fromCommit = await start(base);
    const toCommit = await commitFiles(repoPath, [fromCommit], { a: "A", "d/y": "y", n: "n" });
    await syncFolder({ repoPath, folder, indexFile, fromCommit, toCommit });
    expect((await readdir(folder)).sort()).toEqual(["a", "d", "n"]);
    expect(await readFile(join(folder, "a"), "utf8")).toBe("A");
    const { tree } = await snapshot();
    expect(await readFiles(repoPath, tree)).toEqual({ a: "A", "d/y": "y", n: "n" });
  });

  it("keeps unsaved work that is not affected, and refuses to overwrite the rest", async () => {
    const fromCommit = await start(base);
    const toCommit = await commitFiles(repoPath, [fromCommit], { ...base, a: "A", n: "n" });
    const move = { repoPath, folder, indexFile, fromCommit, toCommit };
    await put("n", "untracked");
    await expect(syncFolder(move)).rejects.toThrow(UnsavedChangesError);
    await unlink(join(folder, "n"));
    await put("a", "edited");
    await expect(syncFolder(move)).rejects.toMatchObject({ path: "a" });
    expect(await readFile(join(folder, "a"), "utf8")).toBe("edited");
    expect(await exists(join(folder, "n"))).toBe(false);
    // A touched file is not a changed one.
    await put("a", "a");
    await utimes(join(folder, "a"), 1000, 1000);
    await put("b", "edited");
    await syncFolder(move);
    expect(await readFile(join(folder, "b"), "utf8")).toBe("edited");
    expect(await readFile(join(folder, "n"), "utf8")).toBe("n");
    await put("a", "edited");
    await syncFolder({ ...move, force: true });
    expect(await readFile(join(folder, "a"), "utf8")).toBe("A");
  });

  it("writes nothing through a link that replaced a folder", async () => {
    const fromCommit = await start(base);
    const toCommit = await commitFiles(repoPath, [fromCommit], { ...base, "d/x": "new" });
    await mkdir(join(root, "outside"));
    await writeFile(join(root, "outside", "x"), "x");
    await rm(join(folder, "d"), { recursive: true });
    await symlink(join(root, "outside"), join(folder, "d"));
    for (const force of [false, true]) {
      const input = { repoPath, folder, indexFile, fromCommit, toCommit, force };
      await syncFolder(input).catch(() => undefined);
      expect(await readFile(join(root, "outside", "x"), "utf8")).toBe("x");
    }
  });
});

describe("checkoutDriver", () => {
  it("replaces the remains of an interrupted creation, and leaves nothing behind", async () => {
    const commit = await commitFiles(repoPath, [], { a: "a", x: { mode: "100755", data: "x" } });
    await mkdir(`${folder}.creating/half`, { recursive: true });
    await put("stale", "stale");
    await mkdir(dirname(indexFile));
    await writeFile(`${indexFile}.creating`, "half");
    await checkoutDriver.create({ repoPath, commit, folder, indexFile });
    expect((await readdir(folder)).sort()).toEqual(["a", "x"]);
    expect((await stat(join(folder, "x"))).mode & 0o111).toBe(0o111);
    expect(await readdir(dirname(folder))).toEqual(["ws_a"]);
    expect(await readdir(dirname(indexFile))).toEqual(["a"]);
  });

  it("creates nothing for a missing commit", async () => {
    const commit = "0123456789".repeat(4);
    await expect(checkoutDriver.create({ repoPath, commit, folder, indexFile })).rejects.toThrow(
      "git",
    );
    expect(await readdir(dirname(folder))).toEqual([]);
    expect(await readdir(dirname(indexFile))).toEqual([]);
  });

  it("creates an index that needs no refresh: no file is opened", async () => {
    const files = Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`d/${at}`, `${at}`]));
    await start(files);
    // git rereads only files from the second in which the index was written.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await put("d/0", "changed");
    await snapshot();
    const before = await stat(join(folder, "d/1"));
    const { stdout } = await git(["ls-files", "--debug", "d/1"], {
      gitDir: repoPath,
      workTree: folder,
      indexFile,
    });
    expect(stdout.toString()).toContain(`ino: ${before.ino}`);
    expect(stdout.toString()).toContain(`size: ${before.size}`);
  });

  it("removes a folder that resists removal, without following links", async () => {
    await start({ a: "a" });
    await mkdir(join(root, "outside"));
    await writeFile(join(root, "outside", "kept"), "kept");
    await symlink(join(root, "outside"), join(folder, "link"));
    await writeFile(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff])]), "bytes");
    await mkdir(join(folder, "closed", "inner"), { recursive: true });
    await chmod(join(folder, "closed"), 0);
    // Deeper than a path can name: created step by step from inside.
    const dig = "for i in $(seq 40); do mkdir $(printf %0200d 1) && cd $(printf %0200d 1); done";
    await run("bash", ["-c", dig], { cwd: folder });
    await checkoutDriver.remove({ folder, indexFile });
    expect(await readdir(dirname(folder))).toEqual([]);
    expect(await exists(indexFile)).toBe(false);
    expect(await readFile(join(root, "outside", "kept"), "utf8")).toBe("kept");
    await checkoutDriver.remove({ folder, indexFile });
  });
});
