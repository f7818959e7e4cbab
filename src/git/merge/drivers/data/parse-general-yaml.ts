import {
  isAlias,
  isCollection,
  isMap,
  isPair,
  isScalar,
  parseDocument,
  Scalar,
  type Pair,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";
import {
  assertDepth,
  DataError,
  type Container,
  type Item,
  type Node,
  type NodeIds,
  type Scalar as ScalarNode,
} from "./tree.js";
import { Cursor, unusual } from "./trivia.js";

/**
 * Parses any YAML document that `parseYaml` accepts.
 * @throws DataError
 */
export function parseGeneralYaml(text: string, ids: NodeIds): Container {
  return new YamlParser(text, ids).root(contentsOf(text));
}

/**
 * Parses a mapping or list in brackets, with which a line begins.
 * @throws DataError
 */
export function parseFlow(
  line: string,
  ids: NodeIds,
  depth: number,
): { node: Node; length: number } {
  const contents = contentsOf(line);
  if (contents.flow !== true || contents.range?.[0] !== 0) throw unusual();
  const parser = new YamlParser(line, ids);
  return { node: parser.node(contents, depth), length: parser.length };
}

/**
 * Parses the lines of a literal or folded scalar.
 * @param indent the indentation of its key or dash
 * @throws DataError
 */
export function parseBlockScalar(lines: string, ids: NodeIds, indent: string): ScalarNode {
  const before = `${indent}k: `;
  const [pair] = contentsOf(before + lines).items;
  const value = isPair(pair) ? pair.value : null;
  if (!isScalar(value) || value.range?.[0] !== before.length) throw unusual();
  const text = lines.slice(0, value.range[1] - before.length);
  return ids.scalar(text, String(value.value), true);
}

/** @throws DataError */
function contentsOf(text: string): YAMLMap | YAMLSeq {
  // Comparing each key with all others would take quadratic time; `NodeIds` finds duplicates.
  const document = parseDocument(text, {
    schema: "failsafe",
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: "silent",
  });
  if (document.errors.length > 0) throw new DataError("It is not one valid YAML document.");
  const { contents } = document;
  if (!isCollection(contents)) throw new DataError("It is no YAML mapping or list.");
  return contents;
}

class YamlParser {
  readonly #cursor: Cursor;
  readonly #ids: NodeIds;

  constructor(text: string, ids: NodeIds) {
    this.#cursor = new Cursor(text);
    this.#ids = ids;
  }

  root(contents: YAMLMap | YAMLSeq): Container {
    const cursor = this.#cursor;
    const marker = /^(?:%[^\n]*\n|[ \t]*(?:#[^\n]*)?\r?\n)*---[ \t]*(?:#[^\n]*)?\r?\n/.exec(
      cursor.text,
    );
    const open = marker === null ? "" : cursor.upTo(marker[0].length);
    const head = cursor.fileHead();
    const node = this.node(contents, 1);
    if (node.kind === "scalar") throw unusual();
    const close =
      (node.layout === "inline" ? cursor.endOfLine() : "") +
      cursor.trivia() +
      (cursor.text.startsWith("...", cursor.at) ? cursor.take(/\.\.\.[ \t]*\r?\n/y) : "");
    if (cursor.at !== cursor.text.length) throw unusual();
    return { ...node, open: open + head + node.open, close: node.close + close };
  }

  /** Reads a value, whose text begins at the cursor. */
  node(node: unknown, depth: number): Node {
    assertDepth(depth);
    if (isAlias(node)) throw hasAliases();
    if (isCollection(node)) {
      if (node.anchor !== undefined || node.tag !== undefined) throw hasAliases();
      return node.flow === true ? this.#flow(node, depth) : this.#block(node, depth);
    }
    if (!isScalar(node) || node.anchor !== undefined || node.tag !== undefined) throw hasAliases();
    return this.#scalar(node);
  }

  #scalar({ range, type, value }: Scalar): Node {
    const text = this.#cursor.upTo(range?.[1] ?? -1);
    const isPlain = type === undefined || type === Scalar.PLAIN;
    return this.#ids.scalar(text, String(value), !isPlain);
  }

  /** The number of characters read. */
  get length(): number {
    return this.#cursor.at;
  }

  /** A mapping or list whose items have lines of their own. */
  #block(collection: YAMLMap | YAMLSeq, depth: number): Container {
    const cursor = this.#cursor;
    const isFirstInline = cursor.at > 0 && cursor.text[cursor.at - 1] !== "\n";
    let indent = "";
    const items = collection.items.map((item, at): Item => {
      const isFirst = at === 0 && isFirstInline;
      let key = "";
      let lead = "";
      let head: string;
      let value: unknown = item;
      if (isPair(item)) {
        const start = keyOf(item).range?.[0] ?? -1;
        lead = isFirst ? cursor.upTo(cursor.at) : cursor.leadOf(start);
        if (cursor.at !== start) throw unusual();
        key = String(keyOf(item).value);
        head = cursor.upTo(keyOf(item).range?.[1] ?? -1) + cursor.take(/[ \t]*:/y);
        value = item.value;
      } else {
        if (!isFirst) lead = cursor.trivia();
        head = cursor.take(/-/y);
      }
      if (at === 0) indent = " ".repeat(this.#column(head.length));
      const content = this.#valueOf(value, depth);
      return {
        key,
        lead,
        head: head + content.space,
        value: content.node,
        trail: content.trail,
        group: 0,
      };
    });
    return this.#ids.container({
      kind: isMap(collection) ? "object" : "array",
      items,
      layout: "lines",
      indent,
      isFirstInline,
    });
  }

  /** The column where the text before the cursor begins. */
  #column(length: number): number {
    const start = this.#cursor.at - length;
    return start - (this.#cursor.text.lastIndexOf("\n", start - 1) + 1);
  }

  /** Reads the value of a key or list item with the rest of its lines. */
  #valueOf(value: unknown, depth: number): { space: string; node: Node; trail: string } {
    const cursor = this.#cursor;
    if (value === null || (isScalar(value) && isEmpty(value))) {
      if (isScalar(value) && (value.anchor !== undefined || value.tag !== undefined)) {
        throw hasAliases();
      }
      return { space: "", node: this.#ids.scalar("", "", false), trail: cursor.endOfLine() };
    }
    const isLines = isCollection(value) && value.flow !== true;
    const start = isLines ? startOf(value) : rangeOf(value);
    const isOnNextLine = cursor.text.slice(cursor.at, start).includes("\n");
    const space =
      isLines && isOnNextLine ? cursor.endOfLine() : cursor.take(/[ \t]*(?:\r?\n[ \t]*)*/y);
    const node = this.node(value, depth + 1);
    const isOver = isLines || cursor.text[cursor.at - 1] === "\n";
    return { space, node, trail: isOver ? "" : cursor.endOfLine() };
  }

  /** A mapping or list in brackets. */
  #flow(collection: YAMLMap | YAMLSeq, depth: number): Container {
    const cursor = this.#cursor;
    const kind = isMap(collection) ? "object" : "array";
    const open = cursor.take(kind === "object" ? /\{/y : /\[/y);
    let hasTrailingComma = false;
    const items = collection.items.map((item, at): Item => {
      const lead = cursor.take(/[ \t\r\n]*/y);
      let key = "";
      let head = "";
      let value: unknown = item;
      if (isPair(item)) {
        if (kind === "array" || item.value === null) throw unusual();
        key = String(keyOf(item).value);
        if (cursor.at !== keyOf(item).range?.[0]) throw unusual();
        head = cursor.upTo(keyOf(item).range?.[1] ?? -1) + cursor.take(/[ \t]*:[ \t\r\n]*/y);
        value = item.value;
      }
      if (isScalar(value) && isEmpty(value)) throw unusual();
      if (cursor.at !== rangeOf(value)) throw unusual();
      const node = this.node(value, depth + 1);
      const before = cursor.at;
      const after = cursor.take(/[ \t\r\n]*/y);
      const hasComma = cursor.text[cursor.at] === ",";
      const isLast = at === collection.items.length - 1;
      if (!hasComma && !isLast) throw unusual();
      if (hasComma) cursor.at += 1;
      else cursor.at = before;
      if (isLast) hasTrailingComma = hasComma;
      return { key, lead, head, value: node, trail: hasComma ? after : "", group: 0 };
    });
    const close = cursor.take(kind === "object" ? /[ \t\r\n]*\}/y : /[ \t\r\n]*\]/y);
    return this.#ids.container({ kind, items, open, close, hasTrailingComma });
  }
}

function keyOf({ key }: Pair): Scalar {
  if (!isScalar(key) || key.anchor !== undefined || key.tag !== undefined) throw hasAliases();
  return key;
}

const isEmpty = ({ range, type }: Scalar): boolean =>
  (type === undefined || type === Scalar.PLAIN) && range?.[0] === range?.[1];

function rangeOf(value: unknown): number {
  const range = isCollection(value) || isScalar(value) ? value.range : null;
  return range?.[0] ?? -1;
}

/** Returns the offset at which the first item of a block begins. */
function startOf({ items, range }: YAMLMap | YAMLSeq): number {
  const [first] = items;
  return isPair(first) ? (keyOf(first).range?.[0] ?? -1) : (range?.[0] ?? -1);
}

const hasAliases = (): DataError =>
  new DataError("It uses anchors, aliases, tags or complex keys.");
