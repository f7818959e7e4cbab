import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Pair, Scalar, stringify, YAMLMap } from "yaml";
import { mergeTexts, outcome } from "#test/support/git/merge-texts.js";
import { rounds } from "#test/support/thorough.js";
import { mergeData } from "./merge-data.js";
import { parseJson } from "./parse-json.js";
import { parseToml } from "./parse-toml.js";
import { parseYaml } from "./parse-yaml.js";
import { NodeIds } from "./tree.js";

/** Objects of values in their spelling. */
type Tree = string | Map<string, Tree>;

const formats = {
  "x.json": {
    parse: parseJson,
    write: (tree: Tree): string => `${writeJson(tree, "")}\n`,
  },
  "x.yaml": { parse: parseYaml, write: (tree: Tree): string => stringify(toYaml(tree)) },
  "x.toml": {
    parse: parseToml,
    write: (tree: Tree): string => (tree instanceof Map ? writeToml(tree, []) : ""),
  },
};

function writeJson(tree: Tree, indent: string): string {
  if (typeof tree === "string") return tree;
  if (tree.size === 0) return "{}";
  const inner = `${indent}  `;
  const members = [...tree].map(
    ([key, value]) => `${inner}${JSON.stringify(key)}: ${writeJson(value, inner)}`,
  );
  return `{\n${members.join(",\n")}\n${indent}}`;
}

function toYaml(tree: Tree): YAMLMap | Scalar {
  if (typeof tree === "string") return new Scalar(JSON.parse(tree));
  const map = new YAMLMap();
  for (const [key, value] of tree) map.items.push(new Pair(new Scalar(key), toYaml(value)));
  return map;
}

function writeToml(tree: Map<string, Tree>, path: string[]): string {
  const names = path.map((name) => JSON.stringify(name)).join(".");
  const values = [...tree].filter(([, value]) => typeof value === "string");
  const tables = [...tree].filter(([, value]) => value instanceof Map);
  return [
    path.length === 0 ? "" : `\n[${names}]\n`,
    ...values.map(([key, value]) => `${JSON.stringify(key)} = ${value as string}\n`),
    ...tables.map(([key, value]) => writeToml(value as Map<string, Tree>, [...path, key])),
  ].join("");
}

const key = fc.constantFrom("a", "b", "c", "d", "e", "__proto__", "constructor", "toString");
const value = fc.constantFrom("1", "2", "true", '"x"', '"y z"', "1.50", "9007199254740993");
const { tree: treeOf } = fc.letrec<{ tree: Tree; node: Tree }>((tie) => ({
  tree: fc
    .uniqueArray(fc.tuple(key, tie("node")), { selector: ([name]) => name, maxLength: 6 })
    .map((entries) => new Map(entries)),
  node: fc.oneof({ depthSize: "small", withCrossShrink: true }, value, tie("tree")),
}));

/** One value of a tree is set or removed, by one side. */
interface Edit {
  path: string[];
  value: Tree | null;
  side: "target" | "source";
}

const edit = fc.record({
  path: fc.array(key, { minLength: 1, maxLength: 3 }),
  value: fc.option(fc.oneof(value, treeOf), { freq: 3 }),
  side: fc.constantFrom("target" as const, "source" as const),
});

/** Keeps edits whose paths do not contain each other, and whose parents exist. */
function disjoint(base: Tree, edits: readonly Edit[]): Edit[] {
  const kept: Edit[] = [];
  for (const one of edits) {
    const isApart = kept.every(({ path }) =>
      path.slice(0, one.path.length).some((name, at) => name !== one.path[at]),
    );
    if (isApart && parentOf(base, one.path) !== null) kept.push(one);
  }
  return kept;
}

function parentOf(tree: Tree, path: readonly string[]): Map<string, Tree> | null {
  let at: Tree | undefined = tree;
  for (const name of path.slice(0, -1)) at = at instanceof Map ? at.get(name) : undefined;
  return at instanceof Map ? at : null;
}

function apply(base: Tree, edits: readonly Edit[]): Tree {
  const copy = structuredClone(base);
  for (const { path, value } of edits) {
    const parent = parentOf(copy, path);
    const name = path.at(-1) as string;
    if (value === null) parent?.delete(name);
    else parent?.set(name, value);
  }
  return copy;
}

const numRuns = rounds({ thorough: 2000, else: 100 });

describe.each(["x.json", "x.yaml", "x.toml"] as const)("merges of %s", (name) => {
  const { parse, write } = formats[name];
  const arbitrary = fc
    .tuple(treeOf, fc.array(edit, { maxLength: 8 }))
    .map(([base, edits]) => ({ base, edits: disjoint(base, edits) }));
  const isSame = (a: string, b: string): boolean => {
    const ids = new NodeIds();
    const idOf = (text: string): number => parse(text.endsWith("\n") ? text : `${text}\n`, ids).id;
    return idOf(a) === idOf(b);
  };
  /** YAML has no text for an empty document. */
  const hasText = (trees: Tree[]): boolean =>
    name !== "x.yaml" || trees.every((tree) => tree instanceof Map && tree.size > 0);

  it("apply disjoint changes of both sides", () => {
    fc.assert(
      fc.property(arbitrary, ({ base, edits }) => {
        const of = (side: string) =>
          apply(
            base,
            edits.filter((edit) => edit.side === side),
          );
        const [target, source, both] = [of("target"), of("source"), apply(base, edits)];
        fc.pre(hasText([base, target, source, both]));
        const texts = { base: write(base), target: write(target), source: write(source) };
        const merged = outcome(name, texts);
        expect(typeof merged === "string" && isSame(merged, write(both)), String(merged)).toBe(
          true,
        );
      }),
      { numRuns },
    );
  });

  it("keep the text of equal sides, and take the only change", () => {
    fc.assert(
      fc.property(treeOf, treeOf, (a, b) => {
        fc.pre(hasText([a, b]));
        const [before, after] = [write(a), write(b)];
        expect(outcome(name, { base: before, target: after, source: after })).toBe(after);
        expect(outcome(name, { base: null, target: after, source: after })).toBe(after);
        const taken = outcome(name, { base: before, target: before, source: after });
        expect(typeof taken === "string" && isSame(taken, after)).toBe(true);
        const kept = outcome(name, { base: before, target: after, source: before });
        expect(kept).toBe(after);
      }),
      { numRuns },
    );
  });

  it("give the same data when the sides are swapped", () => {
    fc.assert(
      fc.property(treeOf, treeOf, treeOf, (base, a, b) => {
        fc.pre(hasText([base, a, b]));
        const texts = { base: write(base), target: write(a), source: write(b) };
        const merged = mergeTexts(name, texts);
        const swapped = { ...texts, target: texts.source, source: texts.target };
        const mirrored = mergeTexts(name, swapped);
        expect(mirrored.result).toBe(merged.result);
        if (merged.result !== "merged" || mirrored.result !== "merged") return;
        const [text, mirror] = [merged, mirrored].map((item) => Buffer.from(item.bytes).toString());
        expect(isSame(text as string, mirror as string), `${text}\n${mirror}`).toBe(true);
      }),
      { numRuns },
    );
  });
});

describe("hostile files", () => {
  it("never throw", () => {
    const pieces = "{ } [ ] : , ' \" - a 1 &a *a # | > --- [[a]] = \\ ? !t ..."
      .split(" ")
      .concat(["\n", " ", "  ", "- ", ": ", "\t", "\r\n", "\uFEFF", "\0"]);
    const piece = fc.constantFrom(...pieces);
    const text = fc.array(piece, { maxLength: 20 }).map((found) => Buffer.from(found.join("")));
    const bytes = fc.oneof(text, fc.uint8Array({ maxLength: 20 }));
    const name = fc.constantFrom("x.json", "x.yml", "x.toml", "x.lock");
    fc.assert(
      fc.property(name, fc.option(bytes), bytes, bytes, (file, base, target, source) => {
        const { result } = mergeData({ name: file, base, target, source });
        expect(["merged", "conflict", "lines"]).toContain(result);
      }),
      { numRuns: rounds({ thorough: 20_000, else: 2000 }) },
    );
  });

  it("are merged by lines if they nest without end, before a parser reads them", () => {
    const steps = (key: string) => (levels: number) =>
      Array.from({ length: levels }, (_, level) => `${" ".repeat(level)}${key}\n`).join("");
    const texts: [name: string, nested: (levels: number) => string][] = [
      ["x.json", (levels) => "[".repeat(levels)],
      ["x.json", (levels) => '{"a":'.repeat(levels)],
      ["x.json", (levels) => '{"a":[\n'.repeat(levels)],
      ["x.yaml", (levels) => "[".repeat(levels)],
      ["x.yaml", (levels) => "- {a: ".repeat(levels)],
      ["x.yaml", (levels) => "- ".repeat(levels)],
      ["x.yaml", (levels) => "? ".repeat(levels)],
      ["x.yaml", steps("a:")],
      ["x.yaml", steps("-")],
      ["x.toml", (levels) => `a = ${"[".repeat(levels)}`],
      ["x.toml", (levels) => `a = ${"{a = ".repeat(levels)}`],
      ["x.lock", (levels) => "{".repeat(levels)],
    ];
    for (const [name, nested] of texts) {
      for (const levels of [1100, name === "x.yaml" ? 2000 : 200_000]) {
        const target = nested(levels);
        expect(outcome(name, { base: "[]", target, source: "[1]" })).toBe(
          "It is nested too deeply.",
        );
      }
      // A parser reads what is nested less.
      const merged = mergeTexts(name, { base: "[]", target: nested(450), source: "[1]" });
      expect(merged.result).toBe("lines");
    }
  });

  it("are merged by lines if they have too many elements", () => {
    const texts = (lines: number) => ({
      base: "a: 1\n",
      target: `a: 1\nb: 1\n${"#\n".repeat(lines - 2)}`,
      source: "a: 2\n",
    });
    expect(mergeTexts("x.yaml", texts(200_000)).result).toBe("merged");
    expect(outcome("x.yaml", texts(200_001))).toBe("It has more than 200 000 lines and elements.");
    const array = { base: "[]", target: `[${"1,".repeat(200_001)}1]`, source: "[2]" };
    expect(mergeTexts("x.json", array).result).toBe("lines");
  });

  it("keep keys of prototypes, duplicate keys and the spelling of numbers", () => {
    const same = '  "__proto__": {"polluted": 1},\n  "d": {"x": 1, "x": 2},\n  "n": 1E400,\n';
    const more = '  "i": 123456789012345678901234567890,\n  "z": -0.0,\n';
    const texts = {
      base: `{\n${same}${more}  "v": 1\n}\n`,
      target: `{\n${same}${more}  "v": 1,\n  "w": 1.0\n}\n`,
      source: `{\n${same}${more}  "v": 2e0\n}\n`,
    };
    expect(outcome("x.json", texts)).toBe(`{\n${same}${more}  "v": 2e0,\n  "w": 1.0\n}\n`);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("conflict where both sides change an object with duplicate keys", () => {
    const texts = { base: '{"a":{"x":1}}', target: '{"a":{"x":1,"x":2}}', source: '{"a":{}}' };
    expect(outcome("x.json", texts)).toEqual(["a"]);
  });
});

describe("arrays", () => {
  const merged = (base: string, target: string, source: string) =>
    outcome("x.json", { base, target, source });

  it.each([
    ["sets", '["a", "b", "c"]', '["a", "c", "t"]', '["a", "b", "c", "s"]', '["a", "c", "s", "t"]'],
    ["to the front", "[5]", "[1, 5]", "[5, 9]", "[1, 5, 9]"],
    ["to nothing", "[1, 2]", "[1]", "[2]", "[]"],
    ["unsorted", "[]", "[3, 1]", "[2]", "[3, 1, 2]"],
    [
      "by name",
      '[{"name": "a", "v": 1}, {"name": "b", "v": 1}]',
      '[{"name": "a", "v": 2}, {"name": "b", "v": 1}]',
      '[{"name": "a", "v": 1}, {"name": "b", "v": 3}]',
      '[{"name": "a", "v": 2}, {"name": "b", "v": 3}]',
    ],
    [
      "by id",
      '[{"id": 1, "name": "x"}]',
      '[{"id": 1, "name": "y"}]',
      '[{"id": 1, "name": "x"}, {"id": 2, "name": "x"}]',
      '[{"id": 1, "name": "y"}, {"id": 2, "name": "x"}]',
    ],
    [
      "by name and version",
      '[{"name": "a", "version": 1}, {"name": "a", "version": 2, "x": 0}]',
      '[{"name": "a", "version": 2, "x": 0}]',
      '[{"name": "a", "version": 1}, {"name": "a", "version": 2, "x": 1}]',
      '[{"name": "a", "version": 2, "x": 1}]',
    ],
  ])("are merged: %s", (_name, base, target, source, expected) => {
    expect(merged(`{"k": ${base}}`, `{"k": ${target}}`, `{"k": ${source}}`)).toBe(
      `{"k": ${expected}}`,
    );
  });

  it.each([
    ["a repeated element", '["a"]', '["a", "a"]', '["a", "b"]', ["k"]],
    ["another order", "[1, 2]", "[2, 1]", "[1, 2, 3]", ["k"]],
    ["a new array on both sides", null, "[1]", "[2]", ["k"]],
    ["mixed elements", "[]", "[1]", "[[]]", ["k"]],
    ["elements without a name", "[]", '[{"a": 1}]', '[{"a": 2}]', ["k"]],
    [
      "another version of one name",
      '[{"name": "a", "version": "1"}]',
      '[{"name": "a", "version": "2"}]',
      '[{"name": "a", "version": "3"}]',
      ["k", '"a"', "version"],
    ],
    [
      "a removed and a changed element",
      '[{"name": "a", "v": 1}]',
      "[]",
      '[{"name": "a", "v": 2}]',
      ["k", '"a"'],
    ],
  ])("conflict: %s", (_name, base, target, source, keys) => {
    const before = base === null ? "{}" : `{"k": ${base}}`;
    expect(merged(before, `{"k": ${target}}`, `{"k": ${source}}`)).toEqual(keys);
  });
});

describe("the form of the target stays", () => {
  it("of JSON: indentation, line ends, final newline, byte order mark and order of keys", () => {
    const texts = {
      base: '{"b": 1, "a": 1}\n',
      target: '\uFEFF{\r\n\t"b": 1,\r\n\t"a": 2\r\n}',
      source: '{\n  "b": 1,\n  "a": 1,\n  "c": {\n    "x": [\n      1\n    ]\n  }\n}\n',
    };
    expect(outcome("x.json", texts)).toBe(
      '\uFEFF{\r\n\t"b": 1,\r\n\t"a": 2,\r\n\t"c": {\r\n\t\t"x": [\r\n\t\t\t1\r\n\t\t]\r\n\t}\r\n}',
    );
  });

  it("of YAML, with comments", () => {
    const file = (changes: Record<string, string> = {}): string =>
      [
        "# pnpm\nlockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    dependencies:\n",
        "      b:\n        specifier: ^1.0.0 # pinned\n        version: 1.0.0\n",
        changes["dependency"] ?? "",
        "\npackages:\n",
        changes["first"] ?? "",
        `\n  b@1.0.0:\n    resolution: {integrity: ${changes["hash"] ?? "sha512-b=="}}\n`,
        changes["last"] ?? "",
      ].join("");
    const dependency = "      c:\n        specifier: ^2.0.0\n        version: 2.0.0\n";
    const first = "\n  # the first\n  '@a/a@1.0.0':\n    resolution: {integrity: sha512-a==}\n";
    const last = "\n  c@2.0.0:\n    resolution: {integrity: sha512-c==}\n    os: [linux]\n";
    const texts = {
      base: file(),
      target: file({ first, hash: "sha512-new==" }),
      source: file({ dependency, last }),
    };
    const expected = file({ first, hash: "sha512-new==", dependency, last });
    expect(outcome("pnpm-lock.yaml", texts)).toBe(expected);
    const swapped = { ...texts, target: texts.source, source: texts.target };
    expect(outcome("pnpm-lock.yaml", swapped)).toBe(expected);
  });

  it("of YAML lists of mappings", () => {
    const steps = (...names: string[]): string =>
      `steps:\n${names.map((name) => `  - name: ${name}\n    run: |\n      echo ${name}\n      # no comment\n`).join("")}`;
    const texts = {
      base: steps("b", "d"),
      target: steps("a", "b", "d"),
      source: steps("b", "c", "d", "e"),
    };
    expect(outcome("ci.yml", texts)).toBe(steps("a", "b", "c", "d", "e"));
  });

  it("of YAML, with an empty mapping or list where a block had items", () => {
    const texts = {
      base: "a: # why\n  x: 1\n  y: 2\nb:\n  - 1\n  - 2\n",
      target: "a: # why\n  x: 1\nb:\n  - 1\n",
      source: "a: # why\n  y: 2\nb:\n  - 2\n",
    };
    expect(outcome("x.yml", texts)).toBe("a: {}\nb: []\n");
  });

  it("of TOML: packages by name, with their tables and comments", () => {
    const one = (name: string, version = "1.0.0", more = ""): string =>
      `\n[[package]]\nname = "${name}"\nversion = "${version}"\n${more}`;
    const head = "# This file is automatically @generated by Cargo.\nversion = 3\n";
    const more = (...names: string[]): string =>
      `dependencies = [\n${names.map((name) => ` "${name}",\n`).join("")}]\n`;
    const texts = {
      base: head + one("a", "1.0.0", more("x")) + one("d") + one("d", "2.0.0"),
      target: head + one("a", "1.0.0", more("b", "x")) + one("b") + one("d") + one("d", "2.0.0"),
      source:
        head +
        one("a", "1.0.0", more("x", "z")) +
        one("c", "1.0.0", '\n[package.source] # why\nurl = "u"\n') +
        one("d", "2.0.0", "yanked = true\n"),
    };
    expect(outcome("Cargo.lock", texts)).toBe(
      head +
        one("a", "1.0.0", more("b", "x", "z")) +
        one("b") +
        one("c", "1.0.0", '\n[package.source] # why\nurl = "u"\n') +
        one("d", "2.0.0", "yanked = true\n"),
    );
  });

  it("of files that both sides added", () => {
    const texts = {
      base: null,
      target: '{"a": 1, "b": {"x": 1}}',
      source: '{"b": {"y": 1}, "c": 2}',
    };
    expect(outcome("x.json", texts)).toBe('{"a": 1, "b": {"x": 1, "y": 1}, "c": 2}');
    expect(outcome("x.json", { base: null, target: '{"a": 1}', source: '{"a": 2}' })).toEqual([
      "a",
    ]);
  });
});
