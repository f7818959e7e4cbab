import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { diffFiles, diffStats, rawDiff } from "./diff.js";
import { commitFiles, testRepository, type Files } from "#test/support/git/test-repository.js";

let repoPath = "";
let dispose = async (): Promise<void> => undefined;

beforeAll(async () => {
  ({ repoPath, dispose } = await testRepository());
});
afterAll(() => dispose());

function lines(count: number, word = "line"): string {
  return Array.from({ length: count }, (_, at) => `${word} ${at}\n`).join("");
}

async function two(before: Files, after: Files) {
  const from = await commitFiles(repoPath, [], before);
  return { from, to: await commitFiles(repoPath, [from], after) };
}

/** Applies a patch with git to prove that it is valid. */
async function applies(patch: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "omoi-apply-"));
  try {
    await new Promise<void>((resolve, reject) => {
      const child = execFile("git", ["apply", "--stat", "-"], { cwd: folder }, (error) =>
        error === null ? resolve() : reject(error),
      );
      child.stdin?.end(patch);
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe("diffFiles", () => {
  const before: Files = {
    renamed: lines(20),
    type: "t\n",
    binary: "\0\u0001",
    mode: "m\n",
    'q"u\\o': "q\n",
    gone: "gone\n",
    changed: lines(3),
    empty0: "",
  };
  const after: Files = {
    "renamed é": `${lines(20)}more\n`,
    type: { mode: "120000", data: "target" },
    binary: "\0\u0002",
    mode: { mode: "100755", data: "m\n" },
    'q"u\\o': "q\nr\n",
    changed: lines(4),
    empty0: "",
    "tab\tnew\nline": "x\n",
    sub: { mode: "160000", data: "1".repeat(40) },
    nothing: "",
  };

  it("reports each kind of change with patches and counts", async () => {
    const { from, to } = await two(before, after);
    const { files, stats } = await diffFiles(repoPath, from, to, { patch: true });
    expect(stats).toEqual({ files_changed: 10, additions: 6, deletions: 2 });
    expect(await diffStats(repoPath, from, to)).toEqual(stats);
    const found = Object.fromEntries(files.map((file) => [file.path, file]));
    expect(Object.keys(found).sort()).toEqual(
      [
        "binary",
        "changed",
        "gone",
        "mode",
        "nothing",
        'q"u\\o',
        "renamed é",
        "sub",
        "tab\tnew\nline",
        "type",
      ].sort(),
    );
    expect(found["renamed é"]).toEqual({
      path: "renamed é",
      old_path: "renamed",
      status: "renamed",
      additions: 1,
      deletions: 0,
      binary: false,
      old_mode: "100644",
      new_mode: "100644",
      patch:
        "--- a/renamed\n+++ b/renamed é\t\n@@ -18,3 +18,4 @@ line 16\n line 17\n line 18\n line 19\n+more\n",
      truncated: false,
    });
    expect(found["binary"]).toMatchObject({
      status: "modified",
      binary: true,
      additions: null,
      deletions: null,
      patch: null,
      truncated: false,
    });
    expect(found["mode"]).toMatchObject({
      status: "modified",
      old_mode: "100644",
      new_mode: "100755",
      additions: 0,
      patch: "",
    });
    expect(found["gone"]).toMatchObject({
      status: "deleted",
      new_mode: "000000",
      deletions: 1,
      patch: "--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n",
    });
    expect(found["nothing"]).toMatchObject({ status: "added", additions: 0, patch: "" });
    expect(found["type"]).toMatchObject({
      status: "type_changed",
      old_mode: "100644",
      new_mode: "120000",
      additions: 1,
      deletions: 1,
    });
    expect(found["type"]?.patch).toContain(
      "-t\n--- /dev/null\n+++ b/type\n@@ -0,0 +1 @@\n+target\n",
    );
    expect(found["sub"]).toMatchObject({ status: "added", new_mode: "160000" });
    expect(found["tab\tnew\nline"]).toMatchObject({
      status: "added",
      old_path: null,
      additions: 1,
    });
    for (const file of files)
      if (file.patch !== null && file.patch !== "") await applies(file.patch);
  });

  it("compares with the empty tree, with itself, and without patches", async () => {
    const { from, to } = await two({ a: lines(2) }, { a: lines(3) });
    const created = await diffFiles(repoPath, null, from, { patch: false });
    expect(created).toMatchObject({
      files: [{ path: "a", status: "added", additions: 2, patch: null, truncated: false }],
      stats: { files_changed: 1, additions: 2, deletions: 0 },
    });
    const none = { files_changed: 0, additions: 0, deletions: 0 };
    expect(await diffFiles(repoPath, to, to, { patch: true })).toEqual({ files: [], stats: none });
    expect(await diffStats(repoPath, to, to)).toEqual(none);
    expect(await diffStats(repoPath, null, to)).toEqual({
      ...none,
      files_changed: 1,
      additions: 3,
    });
  });

  it("is not misled by names and contents that imitate diff lines", async () => {
    const evil = "x\ndiff --git a/y b/y\n--- a/y\n+++ b/y\n@@ -1 +1 @@\n+forged";
    const content =
      "-- a/y\n++ b/y\ndiff --git a/z b/z\n:100644 100644 a b M\tz\n1\t2\tz\n@@ -1 +1 @@\n\n";
    const { from, to } = await two(
      { last: content },
      { [evil]: content, last: `${content}\r\nno end` },
    );
    const { files } = await diffFiles(repoPath, from, to, { patch: true });
    expect(files.map(({ path }) => path).sort()).toEqual([evil, "last"].sort());
    expect(files.find(({ path }) => path === evil)).toMatchObject({
      status: "added",
      additions: 7,
    });
    expect(files.find(({ path }) => path === "last")?.patch).toMatch(
      /\+\r\n\+no end\n\\ No newline at end of file\n$/,
    );
  });

  it("ignores attributes that would hide changes", async () => {
    const { from, to } = await two(
      { ".gitattributes": "* -diff\n*.x diff=evil\n", "a.x": "a\n" },
      { ".gitattributes": "* binary\n", "a.x": "b\n" },
    );
    const { files } = await diffFiles(repoPath, from, to, { patch: true });
    expect(files.map(({ binary }) => binary)).toEqual([false, false]);
    expect(files[1]?.patch).toContain("+b\n");
  });

  it("cuts a long patch at a line, so that the rest still applies", async () => {
    const { from, to } = await two(
      { long: lines(20), short: "s\n" },
      { long: lines(5000, "new"), short: "t\n" },
    );
    const options = { patch: true, maxPatchBytesPerFile: 1000 };
    const { files, stats } = await diffFiles(repoPath, from, to, options);
    const [long, short] = files;
    expect(stats).toEqual({ files_changed: 2, additions: 5001, deletions: 21 });
    expect(long).toMatchObject({ truncated: true, additions: 5000, deletions: 20 });
    expect(long?.patch?.length).toBeGreaterThan(800);
    expect(long?.patch?.length).toBeLessThanOrEqual(1010);
    await applies(long?.patch ?? "");
    expect(short).toMatchObject({
      truncated: false,
      patch: "--- a/short\n+++ b/short\n@@ -1 +1 @@\n-s\n+t\n",
    });
  });

  it("keeps within the limits of files and total patch size, and still counts everything", async () => {
    const many = Object.fromEntries(
      Array.from({ length: 60 }, (_, at) => [`f${at + 100}`, lines(50)]),
    );
    const to = await commitFiles(repoPath, [], many);
    const limited = await diffFiles(repoPath, null, to, {
      patch: true,
      maxFiles: 10,
      maxPatchBytes: 2500,
    });
    expect(limited.stats).toEqual({ files_changed: 60, additions: 3000, deletions: 0 });
    expect(limited.files).toHaveLength(10);
    expect(limited.files.every(({ additions }) => additions === 50)).toBe(true);
    const cut = limited.files.map(({ truncated }) => truncated);
    expect(cut[0]).toBe(false);
    expect(cut.at(-1)).toBe(true);
    expect(limited.files.at(-1)?.patch).toBe(null);
    const total = limited.files.reduce((sum, { patch }) => sum + (patch?.length ?? 0), 0);
    expect(total).toBeLessThan(2600);
  });

  it("never loads a large file, text or binary, and marks it", async () => {
    const big = lines(900_000);
    expect(big.length).toBeGreaterThan(8 * 1024 * 1024);
    const { from, to } = await two({ a: "\0" }, { a: "\0x", big, one: "y".repeat(5_000_000) });
    const { files } = await diffFiles(repoPath, from, to, { patch: true });
    expect(files).toMatchObject([
      { path: "a", binary: true, truncated: false, patch: null },
      { path: "big", additions: null, truncated: true, patch: null },
      { path: "one", additions: 1, truncated: true, patch: null },
    ]);
  });

  it("reports bytes that are not text as binary", async () => {
    const latin = Buffer.from([0x66, 0xe9, 0x0a]);
    const to = await commitFiles(repoPath, [], { a: latin });
    const { files } = await diffFiles(repoPath, null, to, { patch: true });
    expect(files[0]?.patch).toContain("+f\ufffd\n");
  });

  it("rejects names that are neither ids nor full references", async () => {
    for (const name of ["HEAD", "--output=x", "main", "a..b"]) {
      await expect(diffStats(repoPath, null, name)).rejects.toThrow(TypeError);
      await expect(diffFiles(repoPath, name, name, { patch: true })).rejects.toThrow(TypeError);
      expect(() => rawDiff(repoPath, null, name)).toThrow(TypeError);
    }
    const missing = "0123456789".repeat(4);
    await expect(diffFiles(repoPath, null, missing, { patch: true })).rejects.toThrow(
      "git diff-tree",
    );
  });
});

describe("rawDiff", () => {
  it("streams a diff that git can apply", async () => {
    const { from, to } = await two({ a: lines(5), b: "b\n" }, { a: lines(6), c: "b\n" });
    const text = (await rawDiff(repoPath, from, to).toArray()).join("");
    expect(text).toContain("rename from b\nrename to c\n");
    expect(text).toContain("+line 5\n");
    await applies(text);
  });

  it("fails the stream if git fails, and stops git if the reader goes away", async () => {
    const missing = "0123456789".repeat(4);
    await expect(rawDiff(repoPath, null, missing).toArray()).rejects.toMatchObject({
      reason: "exit",
    });
    const to = await commitFiles(repoPath, [], { a: lines(400_000) });
    const stream = rawDiff(repoPath, null, to);
    await new Promise((resolve) => stream.once("data", resolve));
    stream.destroy();
    await new Promise((resolve) => stream.once("close", resolve));
  });
});
