import {
  chmod,
  cp,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { basename, join } from "node:path";
import type { Readable } from "node:stream";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  checkoutDriver,
  syncFolder,
  UnsavedChangesError,
  type WorktreePaths,
} from "./worktree-driver.js";
import { isMounted, listMounts, MountInUseError, overlayKinds, unmount } from "./mounts.js";
import { overlayDriver } from "./overlay-driver.js";
import { NestedRepositoryError } from "../files/path-errors.js";
import { probeOverlay } from "./probe-overlay.js";
import { resolveTree } from "../store/repository.js";
import { git } from "../process/run.js";
import { snapshotFolder } from "../snapshot/snapshot-folder.js";
import {
  commitFiles,
  readFiles,
  testRepository,
  type Files,
} from "#test/support/git/test-repository.js";

const owner = process.getuid?.() === 0 ? { uid: 60_861, gid: 60_861 } : null;

const base: Files = {
  ".gitignore": "*.log\nbuild/\n",
  "a.txt": "a\n",
  "b.txt": "b\n",
  "src/main.ts": "main\n",
  "src/lib/one.ts": "one\n",
  "src/lib/two.ts": "two\n",
  "src/lib/deep/three.ts": "three\n",
  "docs/guide.md": "guide\n",
  "docs/old.log": "tracked although ignored\n",
  "run.sh": { mode: "100755", data: "#!/bin/sh\n" },
  link: { mode: "120000", data: "a.txt" },
  sub: { mode: "160000", data: "1".repeat(40) },
};

/** Like `mv`: some kinds cannot rename a folder of the lower layer, which `mv` then copies. */
async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    // rename(2) itself would refuse this.
    const there = await readdir(to).catch(() => []);
    if (there.length > 0) throw Object.assign(new Error("full"), { code: "ENOTEMPTY" });
    const isFile = await lstat(to).then(
      (stats) => !stats.isDirectory(),
      () => false,
    );
    if (isFile) throw Object.assign(new Error("a file"), { code: "ENOTDIR" });
    await cp(from, to, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    await rm(from, { recursive: true });
  }
}

for (const kind of overlayKinds) {
  const why = await probeOverlay(kind);
  const isMissing = why !== null && !why.startsWith("EXDEV");
  describe.skipIf(isMissing)(`folders that are mounted by ${kind} ${why ?? ""}`, () => {
    let root: string;
    let repoPath: string;
    let dispose: () => Promise<void>;
    const driver = overlayDriver(kind, owner);
    let count = 0;
    beforeAll(async () => {
      ({ root, repoPath, dispose } = await testRepository());
    });
    afterEach(async () => {
      for (const mount of await listMounts(root)) await unmount(mount);
    });
    afterAll(() => dispose());

    function newPlaces(name = `agent-${(count += 1)}`): WorktreePaths {
      return {
        repoPath,
        folder: join(root, "workspaces", name),
        indexFile: join(root, "indexes", `${name}.index`),
        overlay: join(root, "overlays", name),
        lowers: join(root, "lowers"),
      };
    }
    const opened = (places: WorktreePaths) => ({ ...places, open: () => driver.open(places) });
    const layers = () => readdir(join(root, "lowers"));

    describe("creation and removal", () => {
      let commit: string;
      beforeEach(async () => {
        commit = await commitFiles(repoPath, [], { ...base, unique: `${Math.random()}\n` });
      });

      test("contains the commit's files, shares its layer, and removes both", async () => {
        const [one, two] = [newPlaces(), newPlaces()];
        await Promise.all([one, two].map((places) => driver.create({ ...places, commit })));
        expect(await readFile(join(one.folder, "src/lib/one.ts"), "utf8")).toBe("one\n");
        expect((await layers()).filter((name) => name.startsWith(commit))).toHaveLength(1);
        expect(await snapshotFolder(opened(one))).toEqual({
          tree: await resolveTree(repoPath, commit),
          changed: false,
          skipped: [],
          tokens: [],
        });
        await writeFile(join(one.folder, "a.txt"), "changed\n");
        expect(await readFile(join(two.folder, "a.txt"), "utf8")).toBe("a\n");
        await driver.remove(one);
        expect((await layers()).filter((name) => name.startsWith(commit))).toHaveLength(1);
        await driver.remove(two);
        expect(await layers()).toEqual([]);
        expect(await listMounts(root)).toEqual([]);
        for (const place of [one.folder, one.overlay, one.indexFile]) {
          await expect(lstat(place)).rejects.toThrow("ENOENT");
        }
      });

      test("creates a layer from links to the nearest one, whose files never change", async () => {
        const [one, two] = [newPlaces(), newPlaces()];
        await driver.create({ ...one, commit });
        const next = await commitFiles(repoPath, [commit], {
          ...base,
          unique: "another one\n",
          "a.txt": "a, changed\n",
          "run.sh": "no command any more\n",
          "docs/guide.md": { mode: "120000", data: "../a.txt" },
        });
        await driver.create({ ...two, commit: next });
        for (const [places, at] of [
          [one, commit],
          [two, next],
        ] as const) {
          expect((await snapshotFolder(opened(places))).tree).toBe(await resolveTree(repoPath, at));
        }
        const inode = async (places: WorktreePaths, path: string): Promise<number> =>
          (await lstat(join(places.overlay, "lower/files", path))).ino;
        expect(await inode(one, "b.txt")).toBe(await inode(two, "b.txt"));
        expect(await inode(one, "a.txt")).not.toBe(await inode(two, "a.txt"));
        expect(await readFile(join(one.folder, "a.txt"), "utf8")).toBe("a\n");
        expect((await lstat(join(one.folder, "run.sh"))).mode & 0o777).toBe(0o755);
        await Promise.all([one, two].map((places) => driver.remove(places)));
      });

      test("shares layers among concurrent creations and removals, and leaves none behind", async () => {
        const other = await commitFiles(repoPath, [commit], { ...base, more: "more\n" });
        const all = Array.from({ length: 12 }, () => newPlaces());
        await Promise.all(
          all.map(async (places, number) => {
            const at = number % 2 === 0 ? commit : other;
            for (let round = 0; round < 3; round += 1) {
              await driver.create({ ...places, commit: at });
              const { tree } = await snapshotFolder(opened(places));
              expect(tree).toBe(await resolveTree(repoPath, at));
              await driver.remove(places);
            }
          }),
        );
        expect(await layers()).toEqual([]);
        expect(await listMounts(root)).toEqual([]);
      });

      test("restores a lost mount completely", async () => {
        const places = newPlaces();
        await driver.create({ ...places, commit });
        await writeFile(join(places.folder, "new.txt"), "new\n");
        await rm(join(places.folder, "b.txt"));
        await move(join(places.folder, "src"), join(places.folder, "source"));
        const before = (await snapshotFolder(opened(places))).tree;
        await unmount(places.folder);
        expect(await readdir(places.folder)).toEqual([]);
        const again = await snapshotFolder({ ...opened(places), parentTree: before });
        expect([again.tree, again.changed]).toEqual([before, false]);
        // A snapshot without changes leaves no files beside the index.
        const indexes = await readdir(join(root, "indexes"));
        expect(indexes.filter((name) => name.startsWith(`${basename(places.overlay)}.`))).toEqual([
          basename(places.indexFile),
        ]);
        expect(await isMounted(places.folder)).toBe(true);
        await driver.remove(places);
      });

      describe("an environment layer", () => {
        let places: WorktreePaths;
        let layer: string;
        let writer: ChildProcess | null = null;
        beforeEach(async () => {
          places = newPlaces();
          layer = join(root, `layer-${count}`);
          await mkdir(join(layer, "files/build"), { recursive: true });
          await writeFile(join(layer, "files/build/made"), "made\n");
          await mkdir(join(layer, "users"));
          await writeFile(join(layer, "users/kept"), "");
          await driver.create({ ...places, commit });
        });
        afterEach(async () => {
          await stop();
          await driver.remove(places);
        });
        /** Starts a shell; resolves when it has written a line. */
        const start = async (script: string, cwd: string): Promise<void> => {
          const env = { ...process.env, FOLDER: places.folder };
          writer = spawn("sh", ["-c", script], { cwd, env, stdio: ["ignore", "pipe", "inherit"] });
          await once(writer.stdout as Readable, "data");
          writer.stdout?.resume();
        };
        const stop = async (): Promise<void> => {
          if (writer === null) return;
          const ended = once(writer, "exit");
          if (writer.kill()) await ended;
          writer = null;
        };
        const read = (path: string) => readFile(join(places.folder, path), "utf8");
        const users = async () => (await readdir(join(layer, "users"))).toSorted();

        test("waits for the end of a process that works in the folder, and loses none of its files", async () => {
          // It replaces a file of the base and appends to another one, as editors and logs do.
          const script = `n=0; while :; do n=$((n + 1)); echo $n > new; mv new a.txt
            echo $n >> b.txt; [ $n != 20 ] || echo started; done`;
          await start(script, places.folder);
          await expect(driver.attachEnvironment(places, layer)).rejects.toThrow(MountInUseError);
          expect(await users()).toEqual(["kept"]);
          await expect(read("build/made")).rejects.toThrow("ENOENT");
          const seen = Number(await read("a.txt"));
          expect(seen).toBeGreaterThan(20);
          await stop();
          expect(await driver.attachEnvironment(places, layer)).toBe(layer);
          // Another one is not added.
          expect(await driver.attachEnvironment(places, `${layer}-2`)).toBe(layer);
          expect(await users()).toEqual([basename(places.overlay), "kept"].toSorted());
          expect(await read("build/made")).toBe("made\n");
          const last = Number(await read("a.txt"));
          expect(last).toBeGreaterThanOrEqual(seen);
          const lines = (await read("b.txt")).trim().split("\n");
          expect(lines[0]).toBe("b");
          const numbers = lines.slice(1).map(Number);
          expect(numbers).toEqual(numbers.map((_, nth) => nth + 1));
          expect(last - numbers.length).toBeLessThan(2);
          await writeFile(join(places.folder, "a.txt"), "after\n");
          expect(await read("a.txt")).toBe("after\n");
        });

        test("keeps files that a process outside the folder writes meanwhile", async () => {
          await start(
            `n=0; while :; do n=$((n + 1)); echo $n > "$FOLDER/new-$n" && echo $n >> written
              [ $n != 20 ] || echo started; sleep 0.003; done`,
            layer,
          );
          for (let round = 0; round < 5; round += 1) {
            expect(await driver.attachEnvironment(places, layer)).toBe(layer);
            await rm(join(places.overlay, "environment"));
          }
          await stop();
          const written = (await readFile(join(layer, "written"), "utf8")).trim().split("\n");
          const names = new Set(await readdir(places.folder));
          expect(written.filter((number) => !names.has(`new-${number}`))).toEqual([]);
        });
      });

      test("waits for the end of a process that works in the folder before it changes the owner", async () => {
        if (owner === null) return;
        const places = newPlaces();
        await driver.create({ ...places, commit });
        await driver.changeOwner(places, owner);
        const shell = spawn("sleep", ["600"], { cwd: places.folder });
        await once(shell, "spawn");
        const next = { uid: owner.uid + 1, gid: owner.gid + 1 };
        const before = await lstat(places.folder);
        await expect(driver.changeOwner(places, next)).rejects.toThrow(MountInUseError);
        expect((await lstat(places.folder)).uid).toBe(before.uid);
        const ended = once(shell, "exit");
        shell.kill();
        await ended;
        await driver.remove(places);
      });

      test("changes the owner in the upper layer, too", async () => {
        if (owner === null) return;
        const places = newPlaces();
        await driver.create({ ...places, commit });
        await mkdir(join(places.folder, "made/by"), { recursive: true });
        await writeFile(join(places.folder, "made/by/root"), "");
        await writeFile(join(places.folder, "a.txt"), "by root\n");
        await driver.changeOwner(places, owner);
        for (const path of [
          "",
          "a.txt",
          "src",
          "src/lib/one.ts",
          "made",
          "made/by",
          "made/by/root",
        ]) {
          expect((await lstat(join(places.folder, path))).uid, path).toBe(owner.uid);
        }
        await driver.remove(places);
      });
    });

    describe("snapshots and moves", () => {
      let places: WorktreePaths;
      let commit: string;
      beforeEach(async () => {
        commit = await commitFiles(repoPath, [], base);
        places = newPlaces();
        await driver.create({ ...places, commit });
      });
      afterEach(() => driver.remove(places));
      const inside = (path: string): string => join(places.folder, path);
      const files = async () => readFiles(repoPath, (await snapshotFolder(opened(places))).tree);

      test("reports changes, additions, deletions and renames, and leaves out ignored paths", async () => {
        await writeFile(inside("a.txt"), "another a\n");
        await writeFile(inside("docs/old.log"), "tracked, and changed\n");
        await writeFile(inside("new.log"), "ignored\n");
        await mkdir(inside("build"));
        await writeFile(inside("build/out"), "ignored\n");
        await rm(inside("b.txt"));
        await move(inside("src/lib"), inside("lib"));
        await chmod(inside("run.sh"), 0o644);
        const found = await files();
        expect(found).toMatchObject({
          "a.txt": "another a\n",
          "docs/old.log": "tracked, and changed\n",
          "lib/one.ts": "one\n",
          "lib/deep/three.ts": "three\n",
          "run.sh": "#!/bin/sh\n",
          link: "-> a.txt",
          sub: `@ ${"1".repeat(40)}`,
        });
        for (const path of ["b.txt", "new.log", "build/out", "src/lib/one.ts"]) {
          expect(found).not.toHaveProperty([path]);
        }
        await move(inside("lib"), inside("src/lib"));
        expect(await files()).toMatchObject({ "src/lib/one.ts": "one\n" });
      });

      test("rejects a nested repository by its path, unless it is ignored", async () => {
        await mkdir(inside("build/dependency/.git"), { recursive: true });
        expect((await snapshotFolder(opened(places))).changed).toBe(false);
        await mkdir(inside("vendor/lib/.git"), { recursive: true });
        const refused = await snapshotFolder(opened(places)).catch((error: unknown) => error);
        expect(refused).toBeInstanceOf(NestedRepositoryError);
        expect((refused as NestedRepositoryError).path).toBe("vendor/lib");
      });

      test("leaves out the content of a submodule's folder", async () => {
        await writeFile(inside("sub/file"), "of another repository\n");
        expect((await snapshotFolder(opened(places))).changed).toBe(false);
        await rm(inside("sub"), { recursive: true });
        expect(await files()).not.toHaveProperty("sub");
      });

      test("moves to another commit, keeps unrelated changes, and refuses to lose work", async () => {
        const next = await commitFiles(repoPath, [commit], {
          ...base,
          "a.txt": "a of the other\n",
          "docs/guide.md/now/a/folder": "deep\n",
        });
        await writeFile(inside("keep.txt"), "untracked\n");
        await writeFile(inside("note.log"), "ignored\n");
        await syncFolder({ ...opened(places), fromCommit: commit, toCommit: next });
        expect(await readFile(inside("a.txt"), "utf8")).toBe("a of the other\n");
        expect(await readFile(inside("docs/guide.md/now/a/folder"), "utf8")).toBe("deep\n");
        expect(await readFile(inside("note.log"), "utf8")).toBe("ignored\n");
        expect(await files()).toEqual({
          ...(await readFiles(repoPath, next)),
          "keep.txt": "untracked\n",
        });
        await writeFile(inside("a.txt"), "work\n");
        const back = { ...opened(places), fromCommit: next, toCommit: commit };
        await expect(syncFolder(back)).rejects.toThrow(UnsavedChangesError);
        expect(await readFile(inside("a.txt"), "utf8")).toBe("work\n");
        await syncFolder({ ...back, force: true });
        expect(await readFile(inside("a.txt"), "utf8")).toBe("a\n");
      });
    });

    describe("compared with a checkout of the same files", () => {
      const names = [
        "a.txt",
        "b.txt",
        "src",
        "src/main.ts",
        "src/lib",
        "src/lib/one.ts",
        "docs",
        "docs/guide.md",
        "x",
        "x/y",
        "src/x",
        "build",
        "note.log",
        "docs/old.log",
        "link",
        "run.sh",
        "lib",
      ];
      const name = fc.constantFrom(...names);
      const text = fc.constantFrom("1\n", "2\n", "three\n");
      const anyChange = fc.oneof(
        { weight: 4, arbitrary: fc.record({ do: fc.constant("write" as const), at: name, text }) },
        {
          weight: 3,
          arbitrary: fc.record({ do: fc.constant("rename" as const), at: name, to: name }),
        },
        { weight: 2, arbitrary: fc.record({ do: fc.constant("remove" as const), at: name }) },
        fc.record({ do: fc.constant("mkdir" as const), at: name }),
        fc.record({ do: fc.constant("swap" as const), at: name, to: name }),
        fc.record({ do: fc.constant("link" as const), at: name, to: name }),
        fc.record({ do: fc.constant("symlink" as const), at: name, text }),
        fc.record({ do: fc.constant("chmod" as const), at: name }),
        fc.record({ do: fc.constant("remake" as const), at: name, text }),
        fc.record({ do: fc.constant("snapshot" as const) }),
        fc.record({ do: fc.constant("sync" as const) }),
      );
      const brokenByFuse = new Set(["rename", "swap", "remake"]);
      type Change = typeof anyChange extends fc.Arbitrary<infer T> ? T : never;

      /** Performs a change in a folder; the system must refuse it in both or neither. */
      async function perform(folder: string, change: Change): Promise<string> {
        const at = (path: string): string => join(folder, path);
        try {
          if (change.do === "write") await writeFile(at(change.at), change.text, { flag: "w" });
          else if (change.do === "rename") await move(at(change.at), at(change.to));
          else if (change.do === "remove") await rm(at(change.at), { recursive: true });
          else if (change.do === "mkdir") await mkdir(at(change.at), { recursive: true });
          else if (change.do === "swap") {
            await move(at(change.at), at("swapped"));
            await move(at(change.to), at(change.at));
            await move(at("swapped"), at(change.to));
          } else if (change.do === "link") await link(at(change.at), at(change.to));
          else if (change.do === "symlink") await symlink(change.text, at(change.at));
          else if (change.do === "chmod") {
            const stats = await lstat(at(change.at));
            if (stats.isFile()) await chmod(at(change.at), stats.mode ^ 0o111);
          } else if (change.do === "remake") {
            await rm(at(change.at), { recursive: true });
            await mkdir(at(change.at));
            await writeFile(at(`${change.at}/again`), change.text);
          }
          return "done";
        } catch {
          return "refused";
        }
      }

      test("any sequence of changes gives the same trees", { timeout: 240_000 }, async () => {
        const first = await commitFiles(repoPath, [], base);
        const second = await commitFiles(repoPath, [first], {
          ...base,
          "src/main.ts": "of the second\n",
          "x/y": "of the second\n",
          "docs/guide.md": { mode: "120000", data: "old.log" },
        });
        await fc.assert(
          fc.asyncProperty(fc.array(anyChange, { minLength: 1, maxLength: 12 }), async (all) => {
            // fuse-overlayfs shows a replaced folder's content again after a rename, and reads
            // unlisted entries in a recreated folder.
            const changes =
              kind === "overlay" ? all : all.filter((change) => !brokenByFuse.has(change.do));
            const [overlay, checkout] = [newPlaces(), newPlaces()];
            await driver.create({ ...overlay, commit: first });
            await checkoutDriver.create({ ...checkout, commit: first });
            let at = first;
            let parentTree = await resolveTree(repoPath, first);
            try {
              const sameTrees = async (): Promise<string> => {
                const found = await snapshotFolder({ ...opened(overlay), parentTree });
                const wanted = await snapshotFolder({ ...checkout, parentTree });
                const [ours, theirs] = [found.tree, wanted.tree];
                expect(found.changed).toBe(ours !== parentTree);
                if (ours !== theirs) {
                  expect(await readFiles(repoPath, ours)).toEqual(
                    await readFiles(repoPath, theirs),
                  );
                }
                parentTree = ours;
                return ours;
              };
              for (const change of changes) {
                if (change.do === "snapshot") await sameTrees();
                else if (change.do === "sync") {
                  const tree = await sameTrees();
                  const held = await commitOfTree(tree, at);
                  at = at === first ? second : first;
                  const move = { fromCommit: held, toCommit: at, force: true };
                  await syncFolder({ ...opened(overlay), ...move });
                  await syncFolder({ ...checkout, ...move });
                  parentTree = await resolveTree(repoPath, at);
                } else {
                  expect(await perform(overlay.folder, change)).toBe(
                    await perform(checkout.folder, change),
                  );
                }
              }
              await sameTrees();
              expect(await readdir(overlay.folder)).toEqual(await readdir(checkout.folder));
            } finally {
              await driver.remove(overlay);
              await checkoutDriver.remove(checkout);
            }
          }),
          { numRuns: kind === "overlay" ? 50 : 15 },
        );
      });

      async function commitOfTree(tree: string, parent: string): Promise<string> {
        const env = {
          GIT_AUTHOR_NAME: "t",
          GIT_AUTHOR_EMAIL: "t",
          GIT_COMMITTER_NAME: "t",
          GIT_COMMITTER_EMAIL: "t",
        };
        const args = ["commit-tree", tree, "-p", parent, "-m", "held"];
        return (await git(args, { gitDir: repoPath, env })).stdout.toString().trim();
      }
    });
  });
}
