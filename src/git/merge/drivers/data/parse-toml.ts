/**
 * Parses TOML. A fast reader handles the common form: keys without dots, whose values are strings, numbers,
 * booleans, arrays and inline tables. The general parser takes ten times as long, and reads all other documents.
 */
import { parseGeneralToml, placeTable, toContainer, type Table } from "./parse-general-toml.js";
import {
  assertDepth,
  DataError,
  MAX_LINE,
  type Container,
  type Item,
  type Node,
  type NodeIds,
} from "./tree.js";
import { Cursor, unusual } from "./trivia.js";

/** Control characters and lone carriage returns, which are errors. */
const special = /[^\t\n\r\u0020-\u007e\u00a1-\ud7ff\ue000-\ufefe]|\r(?!\n)/;
const spaces = /[ \t]*/y;
const dot = /[ \t]*\.[ \t]*/y;
const equals = /[ \t]*=[ \t]*/y;
const opening = /\[\[?[ \t]*/y;
const keyPattern = /[A-Za-z0-9_-]+|"[^"\\\n]*"|'[^'\n]*'/y;
const simpleString = /"[^"\\\n]*"(?!")|'[^'\n]*'(?!')/y;
/** Escapes that JSON has, too. */
const escapedString =
  /"[^"\\\t\n]*(?:\\(?:[btnfr"\\]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4})[^"\\\t\n]*)*"/y;
const literal =
  /(?:true|false|[+-]?(?:0|[1-9](?:_?\d)*)(?:\.\d(?:_?\d)*)?(?:[eE][+-]?\d(?:_?\d)*)?)(?=[ \t\r\n#,\]}])/y;

/** The names in a table, with their tables; null for a value. */
type Names = Map<string, { kind: "parent" | "table" | "array"; names: Names } | null>;

/**
 * Parses TOML 1.0. A table is an item of the table above it, and the tables of an array (`[[package]]`)
 * are its elements. Values keep their spelling.
 * @throws DataError
 */
export function parseToml(text: string, ids: NodeIds): Container {
  return scanToml(text, ids) ?? parseGeneralToml(text, ids);
}

/**
 * Returns the general parser's tree; null for a document with a form that only that parser reads, or with
 * an error.
 */
export function scanToml(text: string, ids: NodeIds): Container | null {
  if (special.test(text)) return null;
  try {
    return new Scanner(text, ids).document();
  } catch (error) {
    // A regular expression may run out of stack.
    if (error instanceof DataError || error instanceof RangeError) return null;
    throw error;
  }
}

class Scanner extends Cursor {
  readonly #ids: NodeIds;
  readonly #known: Map<string, Item>;

  constructor(text: string, ids: NodeIds) {
    super(text);
    this.#ids = ids;
    this.#known = ids.linesOf(0);
  }

  document(): Container {
    const open = this.fileHead();
    const root: Table = { path: [], parts: [] };
    const tables = [root];
    const lastElements = new Map<string, Table>();
    const all: Names = new Map();
    let [table, names] = [root, all];
    for (;;) {
      const lead = this.trivia();
      if (this.at === this.text.length) {
        return { ...toContainer(root, this.#ids, lead), open };
      }
      if (this.peeks(opening)) {
        const { isElement, ...block } = this.#header(lead);
        names = define(all, block.table.path, isElement);
        placeTable(block, isElement, tables, lastElements);
        table = block.table;
        continue;
      }
      const item = this.#line(lead);
      if (names.has(item.key)) throw unusual();
      names.set(item.key, null);
      table.parts.push(item);
    }
  }

  #header(lead: string) {
    const from = this.at;
    const isElement = this.take(opening).startsWith("[[");
    const path: string[] = [];
    do path.push(dataOf(this.take(keyPattern)));
    while (this.match(dot) !== null);
    assertDepth(path.length);
    this.take(isElement ? /[ \t]*\]\]/y : /[ \t]*\]/y);
    this.endOfLine();
    const head = this.text.slice(from, this.at);
    const table: Table = { path, parts: [] };
    return { lead, head, table, isElement };
  }

  /** Reads a key with its value, which ends a line. */
  #line(lead: string): Item {
    const from = this.at;
    const end = this.text.indexOf("\n", from) + 1;
    const line = this.text.slice(from, Math.min(end, from + MAX_LINE));
    const found = this.#known.get(line);
    if (found !== undefined) {
      this.at = end;
      return lead === "" ? found : { ...found, lead };
    }
    const item = this.#entry(1);
    item.trail = this.endOfLine();
    if (this.at === from + line.length) this.#known.set(line, item);
    return lead === "" ? item : { ...item, lead };
  }

  #entry(depth: number): Item {
    const name = this.take(keyPattern);
    const head = name + this.take(equals);
    const value = this.#value(depth + 1);
    return { key: dataOf(name), lead: "", head, value, trail: "", group: 0 };
  }

  #value(depth: number): Node {
    assertDepth(depth);
    const first = this.text[this.at];
    if (first === "[" || first === "{") return this.#inline(first === "[", depth);
    const string = this.match(simpleString);
    if (string !== null) return this.#ids.scalar(string, dataOf(string), true);
    const escaped = this.match(escapedString);
    if (escaped !== null) return this.#ids.scalar(escaped, JSON.parse(escaped) as string, true);
    const text = this.take(literal);
    return this.#ids.scalar(text, text, false);
  }

  /** Reads an array, or an inline table, whose keys are on one line. */
  #inline(isArray: boolean, depth: number): Container {
    const [open, end] = isArray ? ["[", "]"] : ["{", "}"];
    const space = (): string => (isArray ? this.trivia() : this.take(spaces));
    const items: Item[] = [];
    let hasTrailingComma = false;
    this.at += 1;
    let lead = space();
    while (this.text[this.at] !== end) {
      if (items.length > 0 && !hasTrailingComma) throw unusual();
      const item: Item = isArray
        ? { key: "", lead, head: "", value: this.#value(depth + 1), trail: "", group: 0 }
        : { ...this.#entry(depth), lead };
      lead = space();
      hasTrailingComma = this.text[this.at] === ",";
      if (hasTrailingComma) {
        this.at += 1;
        item.trail = lead;
        lead = space();
      }
      items.push(item);
    }
    this.at += 1;
    if (hasTrailingComma && !isArray) throw unusual();
    const kind = isArray ? "array" : "object";
    const close = lead + end;
    const node = this.#ids.container({ kind, items, open, close, hasTrailingComma });
    if (node.hasDuplicates) throw unusual();
    return node;
  }
}

/**
 * Returns the names in a new table.
 * @throws DataError if the document defines it twice, or a value of its name
 */
function define(all: Names, path: readonly string[], isElement: boolean): Names {
  let names = all;
  for (const [at, name] of path.entries()) {
    const isLast = at === path.length - 1;
    const known = names.get(name);
    if (known === null) throw unusual();
    if (known === undefined) {
      const kind = isLast ? (isElement ? "array" : "table") : "parent";
      const created = { kind, names: new Map() } as const;
      names.set(name, created);
      names = created.names;
      continue;
    }
    if (isLast) {
      if (isElement ? known.kind !== "array" : known.kind !== "parent") throw unusual();
      if (isElement) known.names = new Map();
      else known.kind = "table";
    }
    names = known.names;
  }
  return names;
}

/** The data of a key or string without escapes. */
const dataOf = (text: string): string => (/^['"]/.test(text) ? text.slice(1, -1) : text);
