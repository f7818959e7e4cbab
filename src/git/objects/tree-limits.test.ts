import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { looseObject, writeObject } from "./loose-object.js";
import { testRepository } from "#test/support/git/test-repository.js";
import { assertTreesWithin, TREE_LIMITS, TreeLimitError } from "./tree-limits.js";

let repoPath = "";
let dispose = async (): Promise<void> => undefined;
beforeEach(async () => {
  ({ repoPath, dispose } = await testRepository());
});
afterEach(() => dispose());

const blob = (text: string): Promise<string> =>
  writeObject(repoPath, looseObject("blob", Buffer.from(text)));

/**
 * Builds a tree from names and objects. Each call uses unique content, so that no result is cached.
 */
function tree(
  entries: Readonly<Record<string, readonly [mode: string, oid: string]>>,
): Promise<string> {
  const parts = Object.entries(entries).flatMap(([name, [mode, oid]]) => [
    Buffer.from(`${mode} ${name}\0`),
    Buffer.from(oid, "hex"),
  ]);
  return writeObject(repoPath, looseObject("tree", Buffer.concat(parts)));
}

/** A tree that contains another one `count` times. */
const times = (count: number, mode: string, oid: string, name = "n"): Promise<string> =>
  tree(
    Object.fromEntries(Array.from({ length: count }, (_none, at) => [`${name}${at}`, [mode, oid]])),
  );

describe("tree limits", () => {
  it("count the expanded tree, and reject one entry more of each kind", async () => {
    const oid = await blob("123456789\n");
    const inner = await tree({
      file: ["100644", oid],
      link: ["120000", oid],
      sub: ["160000", oid],
    });
    const root = await tree({ a: ["40000", inner], bc: ["40000", inner], d: ["100755", oid] });
    const exact = {
      entries: 9,
      folders: 3,
      bytes: 50,
      indexBytes: 2 * "filelinksub".length + 3 * 2 + 3 * 3 + 1,
      depth: 2,
      pathBytes: "bc/file".length,
    };
    await assertTreesWithin(repoPath, [root], exact);
    for (const what of Object.keys(exact) as (keyof typeof exact)[]) {
      // Another root, so that the answer is not cached.
      const other = await tree({ a: ["40000", inner], bc: ["40000", inner], d: ["100644", oid] });
      const limits = { ...exact, [what]: exact[what] - 1 };
      await expect(assertTreesWithin(repoPath, [root], limits), what).rejects.toThrow(
        TreeLimitError,
      );
      await expect(assertTreesWithin(repoPath, [other], limits), what).rejects.toThrow(
        String(limits[what]),
      );
    }
  });

  it("reject a bomb of a few objects immediately", async () => {
    const oid = await blob(crypto.randomUUID());
    let bomb = await times(10, "100644", oid);
    for (let level = 0; level < 10; level += 1) bomb = await times(10, "40000", bomb);
    await expect(assertTreesWithin(repoPath, [bomb])).rejects.toThrow(
      /more than (?:1000000 files and folders|250000 folders)/,
    );
    const big = await writeObject(repoPath, looseObject("blob", Buffer.alloc(1 << 20)));
    const inner = await times(1000, "100644", big);
    await expect(assertTreesWithin(repoPath, [await times(20, "40000", inner)])).rejects.toThrow(
      `more than ${TREE_LIMITS.bytes} bytes`,
    );
    const long = await times(300, "100644", oid, "x".repeat(250));
    const longer = await times(300, "40000", long, "y".repeat(2000));
    await expect(assertTreesWithin(repoPath, [await times(3, "40000", longer)])).rejects.toThrow(
      "paths of a commit",
    );
  });

  it("find the deepest path even if each tree also occurs near the top", async () => {
    const oid = await blob(crypto.randomUUID());
    let chain = await tree({ file: ["100644", oid] });
    const all = [chain];
    for (let level = 1; level < TREE_LIMITS.depth; level += 1) {
      chain = await tree({ d: ["40000", chain] });
      all.push(chain);
    }
    await assertTreesWithin(repoPath, [chain]);
    const root = await tree(Object.fromEntries(all.map((oid, at) => [`t${at}`, ["40000", oid]])));
    await expect(assertTreesWithin(repoPath, [root])).rejects.toThrow("deeper than 128 levels");
    const deeper = await tree({ d: ["40000", chain] });
    await expect(assertTreesWithin(repoPath, [deeper])).rejects.toThrow("deeper than 128 levels");
  });

  it("count nothing for objects without a tree", async () => {
    await assertTreesWithin(repoPath, [await blob("x")]);
    await assertTreesWithin(repoPath, []);
  });
});
