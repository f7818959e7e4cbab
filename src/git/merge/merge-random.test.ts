import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { changedPaths, conflictInvolves, mayConflict } from "../diff/changed-paths.js";
import { applyDecisions, computeMerge, type Decision } from "./merge.js";
import {
  commitFiles,
  readFiles,
  testRepository,
  type Entry,
} from "#test/support/git/test-repository.js";
import { rounds } from "#test/support/thorough.js";
import { listTree } from "../objects/tree-reader.js";

let repoPath = "";
let dispose = async (): Promise<void> => undefined;

beforeAll(async () => {
  ({ repoPath, dispose } = await testRepository());
});
afterAll(() => dispose());

const NAMES = ["a", "b", "d/a", "d/b", "d/e/x", "e/a", "e/b", "p", "p/x", "p/y", "f/1", "f/2"];
const START = ["a", "d/a", "d/b", "e/a", "p", "f/1", "f/2"];
/** A small sample; thousands were run during development. */
const RUNS = rounds({ thorough: 25, else: 6 });
const LABELS = { source: "workspace/s", target: "main" };

/** One change of a side to one file: action, file, new name and content variant. */
const action = fc.record({
  name: fc.constantFrom(...START, ...NAMES),
  what: fc.constantFrom("edit", "edit", "delete", "move", "move", "add", "mode", "link", "binary"),
  to: fc.constantFrom(...NAMES),
  variant: fc.integer({ min: 0, max: 2 }),
});
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

function start(): Map<string, Entry> {
  const text = (name: string): string =>
    Array.from({ length: 12 }, (_, at) => `${name} ${at}\n`).join("");
  return new Map(START.map((name) => [name, text(name)]));
}

/** Whether the name is free: no file at it, above it or below it. */
function free(files: ReadonlyMap<string, Entry>, name: string): boolean {
  const clash = (item: string): boolean =>
    item === name || item.startsWith(`${name}/`) || name.startsWith(`${item}/`);
  return ![...files.keys()].some(clash);
}

function act(side: string, actions: readonly Action[]): Record<string, Entry> {
  const files = start();
  for (const { name, what, to, variant } of actions) {
    const entry = files.get(name);
    if (what === "add" && free(files, name)) files.set(name, `new ${side} ${variant}\n`);
    if (typeof entry !== "string") continue;
    files.delete(name);
    const moved = what === "move" && free(files, to) ? to : name;
    const line = new RegExp(`^.* ${variant}\n`, "m");
    if (what === "delete") continue;
    if (what === "edit") files.set(name, entry.replace(line, `${side} ${variant}\n`));
    else if (what === "mode") files.set(name, { mode: "100755", data: entry });
    else if (what === "link") files.set(name, { mode: "120000", data: `${side} ${variant}` });
    else if (what === "binary") files.set(name, `\0${side} ${variant}`);
    else files.set(moved, entry);
  }
  return Object.fromEntries(files);
}

it("resolves any two histories deterministically, without markers or losses on the winning side", async () => {
  const base = await commitFiles(repoPath, [], Object.fromEntries(start()));
  const actions = fc.array(action, { minLength: 3, maxLength: 12 });
  let conflicts = 0;
  await fc.assert(
    fc.asyncProperty(actions, actions, fc.boolean(), async (ours, theirs, turn) => {
      const target = await commitFiles(repoPath, [base], act("T", ours));
      const source = await commitFiles(repoPath, [base], act("S", theirs));
      const merge = await computeMerge(repoPath, target, source);
      const [came, went] = [
        await changedPaths(repoPath, base, source),
        await changedPaths(repoPath, base, target),
      ];
      if (merge.conflicts.length > 0) expect(mayConflict(came, went)).toBe(true);
      for (const { paths } of merge.conflicts) {
        expect([paths, conflictInvolves(came, paths), conflictInvolves(went, paths)]).toEqual([
          paths,
          true,
          true,
        ]);
      }
      const decisions = merge.conflicts.map((_, at): Decision & { take: "source" | "target" } => ({
        take: (at % 2 === 0) === turn ? "source" : "target",
      }));
      const { tree } = await applyDecisions(repoPath, merge, decisions, LABELS);
      expect((await applyDecisions(repoPath, merge, decisions, LABELS)).tree).toBe(tree);
      for (const [path, content] of Object.entries(await readFiles(repoPath, tree))) {
        expect(content, path).not.toMatch(/^(?:<<<<<<<|>>>>>>>)/m);
        expect(path).not.toMatch(/~[0-9a-f]{40}/);
      }
      const result = await listTree(repoPath, tree);
      const merged = await listTree(repoPath, merge.tree);
      const decided = (path: string): boolean =>
        merge.conflicts.some(({ detail }) =>
          [
            ...detail.entries.map((entry) => entry.path),
            ...detail.clashes.map((clash) => clash.path),
          ].some((item) => path === item || path.startsWith(`${item}/`)),
        );
      for (const [path, entry] of merged)
        if (!decided(path)) expect(result.get(path)).toEqual(entry);
      const kept = new Set([...result.values()].map(({ oid }) => oid));
      for (const [at, { kind, detail }] of merge.conflicts.entries()) {
        conflicts += 1;
        const own = await listTree(repoPath, decisions[at]?.take === "source" ? source : target);
        for (const path of detail.paths) {
          const entry = own.get(path);
          if (kind === "directory/file" || entry === undefined || merged.has(path)) continue;
          expect(kept.has(entry.oid), `${kind} ${path}`).toBe(true);
        }
      }
    }),
    { numRuns: RUNS, seed: 20_260_101 },
  );
  expect(conflicts).toBeGreaterThan(RUNS * 0.4);
});
