import { createServer, get, request, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { once } from "node:events";
import {
  link,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  statfs,
  symlink,
  truncate,
  unlink,
  writeFile,
} from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test } from "vitest";
import { archiveFiles } from "./archive-files.js";
import type { AskHome } from "../ask-home.js";
import { copyFiles } from "./copy-files.js";
import { streamList } from "./file-list.js";
import type { ProjectFiles } from "../project-files.js";

/** Called with the names of each batch before they are read, and after. */
let onBatch: (names: readonly string[]) => Promise<void>;
let isFrozen = false;
let root: string;
let source: string;
let target: string;
let outside: string;
const roots: string[] = [];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "omoi-copy-"));
  roots.push(root);
  [source, target, outside] = [join(root, "source"), join(root, "target"), join(root, "outside")];
  for (const folder of [source, target, outside]) await mkdir(folder);
  onBatch = async () => {};
  isFrozen = false;
});
afterAll(() => Promise.all(roots.map((root) => rm(root, { recursive: true }))));

const server = createServer((incoming, answer) => {
  const serve = async (): Promise<void> => {
    const names = (await buffer(incoming)).toString("latin1").split("\0").slice(0, -1);
    if (incoming.method === "POST") await onBatch(names);
    const content =
      incoming.method === "GET"
        ? streamList(source, ["part"])
        : archiveFiles(source, names, !isFrozen);
    content.on("error", () => answer.destroy()).pipe(answer);
  };
  serve().catch(() => {
    answer.flushHeaders();
    answer.socket?.end();
  });
});
server.listen(0, "127.0.0.1");
afterAll(() => {
  server.close();
});

const ask: AskHome = async (method, _what, body) => {
  if (!server.listening) await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const sent = method === "GET" ? get(url) : request(url, { method });
  sent.end(body);
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  return answer;
};
const files: ProjectFiles = { parts: ["part"], workspaces: [], repository: "part", exports: "-" };
const startCopy = () => copyFiles(ask, target, async () => {});

test("a link in place of a folder leads neither copies nor removals elsewhere", async () => {
  const part = join(source, "part");
  const [folder, kept] = [join(part, "folder"), join(part, "kept")];
  await mkdir(join(folder, "sub"), { recursive: true });
  await writeFile(join(folder, "file"), "of the project");
  await writeFile(join(folder, "sub/file"), "of the project");
  for (const name of ["file", "sub"]) {
    await writeFile(join(outside, `${name}.txt`), "of others");
  }
  await mkdir(join(outside, "sub"));
  await writeFile(join(outside, "file"), "of others");
  await writeFile(join(outside, "sub/file"), "of others");
  const listOutside = async () => {
    const { mode, mtimeMs } = await lstat(outside);
    return [mode, mtimeMs, await readdir(outside, { recursive: true })];
  };
  const before = await listOutside();
  const copy = startCopy();
  // A swap before the files are read, and back before their folders are.
  onBatch = async (names) => {
    if (!names.includes("part/folder/file")) return;
    await rename(folder, kept);
    await symlink(outside, folder);
  };
  await copy.update();
  const copied = await readdir(join(target, "part"), { recursive: true });
  for (const name of copied.filter((item) => item.endsWith("file"))) {
    expect(await readFile(join(target, "part", name), "utf8")).toBe("of the project");
  }
  // The link arrives, and then the folder is back, which has other entries.
  onBatch = async () => {};
  await copy.update();
  expect((await lstat(join(target, "part/folder"))).isSymbolicLink()).toBe(true);
  let swaps = 0;
  onBatch = async (names) => {
    if (swaps > 0 || !names.includes("part/folder/sub")) return;
    swaps += 1;
    await rename(folder, kept);
    await symlink(outside, folder);
  };
  await unlink(folder);
  await rename(kept, folder);
  await copy.update();
  expect(swaps).toBe(1);
  await copy.update();
  await unlink(folder);
  await rename(kept, folder);
  await rm(join(folder, "file"));
  await copy.update();
  await copy.finish(files);
  expect(await readdir(join(target, "part/folder"), { recursive: true })).toEqual([
    "sub",
    "sub/file",
  ]);
  expect(await readFile(join(target, "part/folder/sub/file"), "utf8")).toBe("of the project");
  expect(await listOutside()).toEqual(before);
  expect(await readFile(join(outside, "file"), "utf8")).toBe("of others");
  expect(await readFile(join(outside, "sub/file"), "utf8")).toBe("of others");
});

test("a link that arrived in an earlier batch is not followed by a later one", async () => {
  const part = join(source, "part");
  await mkdir(join(part, "a"), { recursive: true });
  await writeFile(join(part, "a/file"), "1");
  const copy = startCopy();
  await copy.update();
  // What an archive brought there that a list did not know.
  await rm(join(target, "part/a"), { recursive: true });
  await symlink(outside, join(target, "part/a"));
  await writeFile(join(part, "a/file"), "22");
  await writeFile(join(part, "a/more"), "3");
  await copy.update();
  await copy.finish(files);
  expect(await readdir(outside)).toEqual([]);
  expect(await readFile(join(target, "part/a/file"), "utf8")).toBe("22");
  await symlink(outside, join(part, "b"));
  await copy.update();
  await rm(join(target, "part/a"), { recursive: true });
  await symlink(outside, join(target, "part/a"));
  await writeFile(join(outside, "more"), "of others");
  await rm(join(part, "a/more"));
  await copy.update();
  expect(await readdir(outside)).toEqual(["more"]);
  await copy.finish(files);
});

test("files of a folder that was elsewhere for a moment are copied by the next update", async () => {
  const [folder, kept] = [join(source, "part/folder"), join(source, "part/kept")];
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "file"), "1");
  await setTimeout(2500);
  onBatch = async (names) => {
    onBatch = async () => {};
    expect(names).toContain("part/folder/file");
    await rename(folder, kept);
    await symlink(outside, folder);
  };
  const copy = startCopy();
  await copy.update();
  await unlink(folder);
  await rename(kept, folder);
  await copy.update();
  expect(await readFile(join(target, "part/folder/file"), "utf8")).toBe("1");
});

test("after a batch that failed, what was known before is not copied again", async () => {
  const part = join(source, "part");
  await mkdir(join(part, "folder"), { recursive: true });
  for (const name of ["a", "b", "folder/c"]) await writeFile(join(part, name), name);
  // What changes within two seconds of a list is copied again.
  await setTimeout(2500);
  const copy = startCopy();
  await copy.update();
  await writeFile(join(part, "b"), "changed");
  onBatch = () => Promise.reject(new Error("broken"));
  await expect(copy.update()).rejects.toThrow("the connection broke");
  const asked: string[] = [];
  onBatch = async (names) => {
    asked.push(...names);
  };
  await copy.update();
  expect(asked).toEqual(["part/b", "part"]);
  expect(await readFile(join(target, "part/b"), "utf8")).toBe("changed");
  await copy.finish(files);
});

test("files that do not fit on the disk are not copied", async () => {
  await mkdir(join(source, "part"));
  // A hole has no blocks, but a size. Two names are one file.
  const { bavail, bsize } = await statfs(target);
  await writeFile(join(source, "part/large"), "");
  await truncate(join(source, "part/large"), bavail * bsize);
  await expect(startCopy().update()).rejects.toThrow("GiB free");
  expect(await readdir(target)).toEqual([]);
  await truncate(join(source, "part/large"), Math.floor((bavail * bsize) / 3) * 2);
  await link(join(source, "part/large"), join(source, "part/again"));
  await startCopy().update();
  expect(await readdir(join(target, "part"))).toEqual(["again", "large"]);
});

/** Linux lets not even root read it. */
const unreadable = { folder: "/sys/bus/platform", name: "drivers_probe" };

test("a file that cannot be read breaks the archive off, and one that vanished only if nothing may change", async () => {
  const read = (folder: string, name: string, mayChange: boolean) =>
    buffer(archiveFiles(folder, [name], mayChange)).then(
      () => "whole",
      (error: Error) => error.message,
    );
  expect(await read(unreadable.folder, unreadable.name, true)).toContain("Cannot open");
  await mkdir(join(source, "part"));
  await writeFile(join(source, "part/file"), "1");
  expect(await read(source, "part/gone", true)).toBe("whole");
  expect(await read(source, "part/gone", false)).toContain("No such file");
  expect(await read(source, "part/file", false)).toBe("whole");
});
