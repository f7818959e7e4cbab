import { chmod, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { deflateSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { commitFiles, testRepository } from "#test/support/git/test-repository.js";
import { git } from "../process/run.js";
import { updateRef } from "../store/refs.js";
import { resolveCommit, writeBlob } from "../store/repository.js";
import { readLoose, readLooseRef } from "./loose-reader.js";

let repoPath = "";
let dispose = async (): Promise<void> => undefined;

beforeAll(async () => {
  ({ repoPath, dispose } = await testRepository());
});
afterAll(() => dispose());

const PATIENT = { timeout: 30_000 };

it("reads loose objects, and leaves packed and large ones to git", async () => {
  const commit = await commitFiles(repoPath, [], { a: "1" });
  await updateRef(repoPath, "refs/heads/packed", commit, null);
  await git(["repack", "-a", "-d", "-q"], { gitDir: repoPath });
  await git(["prune-packed"], { gitDir: repoPath });
  expect(readLoose(repoPath, commit)).toBeNull();
  const small = await writeBlob(repoPath, "text");
  // After a slow call of the disk, nothing is read here for a while.
  await expect
    .poll(() => readLoose(repoPath, small), PATIENT)
    .toEqual({
      oid: small,
      type: "blob",
      size: 4,
      content: Buffer.from("text"),
    });
  // Compressible, so that the file is small.
  const large = await writeBlob(repoPath, "x".repeat(2 * 1024 * 1024));
  expect(readLoose(repoPath, large)).toBeNull();
});

it("leaves damaged objects and links to git", async () => {
  const damaged: [string, Buffer][] = [
    ["not compressed", Buffer.from("blob 1\0x")],
    ["too short", deflateSync(Buffer.from("blob 9\0x"))],
    ["no header", deflateSync(Buffer.from("blob"))],
    ["empty", Buffer.alloc(0)],
  ];
  for (const [at, [, bytes]] of damaged.entries()) {
    const oid = `${at}`.padStart(40, "e");
    const path = join(repoPath, "objects", oid.slice(0, 2), oid.slice(2));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bytes);
    expect(readLoose(repoPath, oid)).toBeNull();
    await rm(path);
  }
  const own = await writeBlob(repoPath, "behind a link");
  const oid = "d".repeat(40);
  const path = join(repoPath, "objects", "dd", "d".repeat(38));
  await mkdir(dirname(path), { recursive: true });
  await symlink(join(repoPath, "objects", own.slice(0, 2), own.slice(2)), path);
  expect(readLoose(repoPath, oid)).toBeNull();
  await rm(path);
});

it("resolves references with a file of their own, packed ones and missing ones", async () => {
  const [one, two] = [
    await commitFiles(repoPath, [], { a: "one" }),
    await commitFiles(repoPath, [], { a: "two" }),
  ];
  await updateRef(repoPath, "refs/heads/both", one, null);
  await git(["pack-refs", "--all"], { gitDir: repoPath });
  expect(readLooseRef(repoPath, "refs/heads/both")).toBeNull();
  expect(await resolveCommit(repoPath, "refs/heads/both")).toBe(one);
  // Its own file has precedence.
  await updateRef(repoPath, "refs/heads/both", two, one);
  await expect.poll(() => readLooseRef(repoPath, "refs/heads/both"), PATIENT).toBe(two);
  expect(await resolveCommit(repoPath, "refs/heads/both")).toBe(two);
  expect(await resolveCommit(repoPath, "refs/heads/missing")).toBeNull();
  expect(await resolveCommit(repoPath, "refs/heads")).toBeNull();
});

it("leaves symbolic references and references to other objects to git", async () => {
  const commit = await commitFiles(repoPath, [], { a: "1" });
  await updateRef(repoPath, "refs/heads/real", commit, null);
  await git(["symbolic-ref", "refs/heads/symbolic", "refs/heads/real"], { gitDir: repoPath });
  expect(readLooseRef(repoPath, "refs/heads/symbolic")).toBeNull();
  expect(await resolveCommit(repoPath, "refs/heads/symbolic")).toBe(commit);
  const blob = await writeBlob(repoPath, "no commit");
  await updateRef(repoPath, "refs/test/blob", blob, null);
  expect(await resolveCommit(repoPath, "refs/test/blob")).toBeNull();
  const args = ["tag", "-a", "-m", "annotated", "annotated", commit];
  const env = { GIT_COMMITTER_NAME: "T", GIT_COMMITTER_EMAIL: "t@example.org" };
  await git(args, { gitDir: repoPath, env });
  expect(await resolveCommit(repoPath, "refs/tags/annotated")).toBe(commit);
});

it.skipIf(process.getuid?.() === 0)("leaves unreadable files to git", async () => {
  const oid = await writeBlob(repoPath, "unreadable");
  const path = join(repoPath, "objects", oid.slice(0, 2), oid.slice(2));
  await chmod(path, 0);
  expect(readLoose(repoPath, oid)).toBeNull();
});
