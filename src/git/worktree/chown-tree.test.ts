import { closeSync, openSync } from "node:fs";
import {
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { measureTree } from "./disk-usage.js";
import { chownTree } from "./chown-tree.js";

const owner = { uid: 60_861, gid: 60_861 };

// Only root may change owners.
describe.skipIf(process.getuid?.() !== 0)("chownTree", () => {
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "omoi-give-"));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  const ownerOf = async (path: string): Promise<number[]> => {
    const { uid, gid } = await lstat(join(root, path));
    return [uid, gid];
  };

  test("changes the whole tree, links but not their targets, and skips files with the right owner", async () => {
    await mkdir(join(root, "outside/folder"), { recursive: true });
    await writeFile(join(root, "outside/file"), "");
    await mkdir(join(root, "mine/a/closed"), { recursive: true });
    await writeFile(join(root, "mine/a/file"), "");
    await writeFile(Buffer.concat([Buffer.from(join(root, "mine/")), Buffer.from([0xff])]), "");
    await writeFile(join(root, "mine/a/closed/inside"), "");
    await chmod(join(root, "mine/a/closed"), 0);
    await symlink("../outside/file", join(root, "mine/link"));
    await symlink("../outside/folder", join(root, "mine/way"));
    await chownTree(join(root, "mine"), owner);
    for (const path of ["", "a", "a/file", "a/closed", "a/closed/inside", "link", "way"]) {
      expect(await ownerOf(`mine/${path}`), path).toEqual([owner.uid, owner.gid]);
    }
    for (const path of ["outside/file", "outside/folder", "."]) {
      expect(await ownerOf(path), path).toEqual([0, 0]);
    }
    const before = await lstat(join(root, "mine/a/file"), { bigint: true });
    await chownTree(join(root, "mine"), owner);
    const after = await lstat(join(root, "mine/a/file"), { bigint: true });
    expect(after.ctimeNs).toBe(before.ctimeNs);
  });

  test("changes the folder itself while other work opens files", async () => {
    const folder = join(root, "busy");
    await mkdir(join(folder, "inner"), { recursive: true });
    for (let nth = 0; nth < 600; nth += 1) await writeFile(join(folder, "inner", `${nth}`), "");
    // Takes the number of a descriptor that is closed during the walk.
    await writeFile(join(root, "other"), "");
    await chown(join(root, "other"), owner.uid, owner.gid);
    const opened: number[] = [];
    const walking = chownTree(folder, owner);
    setImmediate(() => opened.push(openSync(join(root, "other"), "r")));
    await walking;
    for (const descriptor of opened) closeSync(descriptor);
    expect(opened).toHaveLength(1);
    expect(await ownerOf("busy")).toEqual([owner.uid, owner.gid]);
  });

  test("restricts itself to entries that a second folder contains", async () => {
    await mkdir(join(root, "whole/kept"), { recursive: true });
    await mkdir(join(root, "whole/new"));
    await writeFile(join(root, "whole/kept/old"), "");
    await writeFile(join(root, "whole/kept/changed"), "");
    await writeFile(join(root, "whole/new/file"), "");
    await mkdir(join(root, "upper/kept"), { recursive: true });
    await mkdir(join(root, "upper/new"));
    await link(join(root, "whole/kept/changed"), join(root, "upper/kept/changed"));
    await link(join(root, "whole/new/file"), join(root, "upper/new/file"));
    await chownTree(join(root, "whole"), owner, join(root, "upper"));
    expect(await ownerOf("whole/kept/old")).toEqual([0, 0]);
    for (const path of ["kept", "kept/changed", "new", "new/file"]) {
      expect(await ownerOf(`whole/${path}`), path).toEqual([owner.uid, owner.gid]);
    }
  });

  test("handles trees deeper than the limit of open files", async () => {
    const folders = 600;
    await mkdir(join(root, `deep/${"d/".repeat(folders)}`), { recursive: true });
    await writeFile(join(root, `deep/${"d/".repeat(folders)}file`), Buffer.alloc(1 << 20));
    const descriptors = async () => (await readdir("/proc/self/fd")).length;
    const before = await descriptors();
    let most = 0;
    const watch = setInterval(
      () => void descriptors().then((now) => (most = Math.max(most, now))),
      1,
    );
    await chownTree(join(root, "deep"), owner);
    expect(await measureTree(join(root, "deep"))).toBeGreaterThan(1 << 20);
    clearInterval(watch);
    expect(await ownerOf(`deep/${"d/".repeat(folders)}file`)).toEqual([owner.uid, owner.gid]);
    expect(most - before).toBeLessThan(100);
  });

  test("rejects a link in place of the folder", async () => {
    await symlink("outside", join(root, "trap"));
    await expect(chownTree(join(root, "trap"), owner)).rejects.toThrow("ENOTDIR");
    expect(await ownerOf("outside")).toEqual([0, 0]);
  });
});
