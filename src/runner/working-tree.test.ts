import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { snapshotFolder } from "#git/snapshot/snapshot-folder.js";
import { resolveTree } from "#git/store/repository.js";
import { listMounts, overlayKinds, unmount } from "#git/worktree/mounts.js";
import { overlayDriver } from "#git/worktree/overlay-driver.js";
import { probeOverlay } from "#git/worktree/probe-overlay.js";
import type { WorktreePaths } from "#git/worktree/worktree-driver.js";
import { commitFiles, testRepository, type Files } from "#test/support/git/test-repository.js";
import { isThorough } from "#test/support/thorough.js";
import { createWorkingTree } from "./working-tree.js";

/** Few paths, which are files and folders of one another. */
const paths = ["a", "a/b", "a/b/c", "d/e", "d/f", "g", "h/i/j"] as const;
const contents: fc.Arbitrary<Files[string]> = fc.oneof(
  fc.constantFrom("one\n", "two\n", ""),
  fc.constantFrom({ mode: "100755" as const, data: "#!/bin/sh\n" }),
  fc.constantFrom({ mode: "120000" as const, data: "g" }),
);
const trees: fc.Arbitrary<Files> = fc
  .uniqueArray(fc.constantFrom(...paths), { maxLength: paths.length })
  .map((chosen) => chosen.filter((path) => !chosen.some((item) => path.startsWith(`${item}/`))))
  .chain((chosen) =>
    fc
      .tuple(...chosen.map((path) => fc.tuple(fc.constant(path), contents)))
      .map((all) => Object.fromEntries(all)),
  );

for (const kind of overlayKinds) {
  const why = await probeOverlay(kind);
  const isMissing = why !== null && !why.startsWith("EXDEV");
  describe.skipIf(isMissing)(`working trees on a runner, by ${kind} ${why ?? ""}`, () => {
    let root: string;
    let repoPath: string;
    let dispose: () => Promise<void>;
    const driver = overlayDriver(kind, null);
    let count = 0;
    beforeAll(async () => {
      ({ root, repoPath, dispose } = await testRepository());
    });
    afterEach(async () => {
      for (const mount of await listMounts(root)) await unmount(mount);
    });
    afterAll(() => dispose());

    function newPlaces(project: string): WorktreePaths {
      const name = `run-${(count += 1)}`;
      return {
        repoPath,
        folder: join(root, "workspaces", name),
        indexFile: join(root, "indexes", `${name}.index`),
        overlay: join(root, "overlays", name),
        lowers: join(root, project, "lowers"),
      };
    }

    test("have exactly the files of their commits, whichever came before", async () => {
      let project = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(trees, { minLength: 2, maxLength: 6 }), async (sequence) => {
          project += 1;
          let parents: string[] = [];
          for (const files of sequence) {
            const commit = await commitFiles(repoPath, parents, files);
            parents = [commit];
            const places = newPlaces(`model-${project}`);
            await createWorkingTree(driver, places, commit, null, false);
            const opened = { ...places, open: () => driver.open(places) };
            expect(await snapshotFolder(opened)).toMatchObject({
              tree: await resolveTree(repoPath, commit),
              changed: false,
            });
            await driver.remove(places);
          }
        }),
        { numRuns: isThorough ? 100 : 2 },
      );
    });

    const layersOf = (project: string): Promise<string[]> => readdir(join(root, project, "lowers"));
    const many = (length: number): Files =>
      Object.fromEntries(Array.from({ length }, (_, nth) => [`many/${nth}.txt`, `${nth}\n`]));

    test("share a layer while they differ little, and get another one when they do not", async () => {
      let parents: string[] = [];
      const sizes: number[] = [];
      for (const files of [
        { "a.txt": "1\n" },
        { "a.txt": "2\n" },
        { "a.txt": "3\n", ...many(300) },
        { "a.txt": "4\n", ...many(300) },
        { "a.txt": "x".repeat(9 * 1024 * 1024), ...many(300) },
      ]) {
        parents = [await commitFiles(repoPath, parents, files)];
        const places = newPlaces("near");
        await createWorkingTree(driver, places, parents[0] as string, null, false);
        expect(await readFile(join(places.folder, "a.txt"), "utf8")).toBe(files["a.txt"]);
        sizes.push((await layersOf("near")).length);
        await driver.remove(places);
      }
      expect(sizes).toEqual([1, 1, 2, 2, 3]);
    });

    test("show all of an environment, also where its paths were tracked or had no folder", async () => {
      const made = { "pkg/installed/c.txt": "tracked\n" };
      const first = await commitFiles(repoPath, [], { "a.txt": "1\n", ...made });
      const second = await commitFiles(repoPath, [first], { "a.txt": "1\n" });
      const third = await commitFiles(repoPath, [second], { "a.txt": "1\n", "pkg/b.txt": "2\n" });
      const layer = join(root, "environment-of-folders");
      await mkdir(join(layer, "files/pkg/installed"), { recursive: true });
      await mkdir(join(layer, "users"));
      await writeFile(join(layer, "files/pkg/installed/c.txt"), "3\n");
      for (const [commit, content] of [
        [first, "tracked\n"],
        [second, "3\n"],
        [third, "3\n"],
      ] as const) {
        const places = newPlaces("folders");
        await createWorkingTree(driver, places, commit, null, true);
        expect(await driver.attachEnvironment(places, layer)).toBe(layer);
        const path = join(places.folder, "pkg/installed/c.txt");
        expect(await readFile(path, "utf8")).toBe(content);
        await unmount(places.folder);
      }
    });

    test("get a layer of their own where very much differs from the kept one", async () => {
      const long = "x".repeat(200);
      const files = Object.fromEntries(
        Array.from({ length: 1000 }, (_, nth) => [`${long}/${nth}`, "same\n"]),
      );
      let parents: string[] = [];
      for (const all of [{ "a.txt": "1\n" }, { "a.txt": "1\n", ...files }]) {
        parents = [await commitFiles(repoPath, parents, all)];
        const places = newPlaces("far");
        await createWorkingTree(driver, places, parents[0] as string, null, false);
        expect((await readdir(places.folder)).length).toBe(Object.keys(all).length > 1 ? 2 : 1);
        await driver.remove(places);
      }
      expect(await layersOf("far")).toHaveLength(2);
    });
  });
}
