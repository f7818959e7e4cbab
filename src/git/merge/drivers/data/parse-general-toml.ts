import { parseTOML, ParseError, type AST } from "toml-eslint-parser";
import {
  assertDepth,
  DataError,
  type Container,
  type Item,
  type Node,
  type NodeIds,
} from "./tree.js";
import { Cursor, unusual } from "./trivia.js";

/** A table while it is read: its keys, and the tables below it. */
export interface Table {
  path: string[];
  parts: Part[];
}

interface Block {
  lead: string;
  head: string;
  table: Table;
}

type Part = Item | (Block & { key: string }) | { key: string; elements: Block[] };

/**
 * Parses any TOML document that `parseToml` accepts.
 * @throws DataError
 */
export function parseGeneralToml(text: string, ids: NodeIds): Container {
  const [top] = programOf(text).body;
  const parser = new TomlParser(text, ids);
  const head = parser.fileHead();
  const root: Table = { path: [], parts: [] };
  const open = [root];
  /** The last element of each array of tables. */
  const lastElements = new Map<string, Table>();
  for (const entry of top.body) {
    if (entry.type === "TOMLKeyValue") root.parts.push(parser.entry(entry, 1));
    else placeTable(parser.table(entry), entry.kind === "array", open, lastElements);
  }
  return { ...toContainer(root, ids, parser.rest()), open: head };
}

function programOf(text: string): AST.TOMLProgram {
  try {
    return parseTOML(text, { tomlVersion: "1.0" });
  } catch (error) {
    if (error instanceof ParseError) throw new DataError("It is not valid TOML.");
    throw error;
  }
}

/** @param open the tables on the way to the last one */
export function placeTable(
  block: Block,
  isElement: boolean,
  open: Table[],
  lastElements: Map<string, Table>,
): void {
  const { path } = block.table;
  while (open.length > 1 && !isBelow(path, open.at(-1) as Table)) open.pop();
  const parent = open.at(-1) as Table;
  // A table of an element that other tables separate from its element.
  for (let length = 1; length < path.length; length += 1) {
    const element = lastElements.get(JSON.stringify(path.slice(0, length)));
    if (element !== undefined && !open.includes(element)) throw unusual();
  }
  const key = keyOf(path.slice(parent.path.length));
  const last = parent.parts.at(-1);
  if (!isElement) parent.parts.push({ key, ...block });
  else if (last && "elements" in last && last.key === key) last.elements.push(block);
  else parent.parts.push({ key, elements: [block] });
  if (isElement) lastElements.set(JSON.stringify(path), block.table);
  open.push(block.table);
}

function isBelow(path: readonly string[], table: Table): boolean {
  return table.path.length < path.length && table.path.every((name, at) => name === path[at]);
}

/** A dotted key is one key; NUL is no part of a key. */
const keyOf = (names: readonly string[]): string => names.join("\0");

export function toContainer({ parts }: Table, ids: NodeIds, close = ""): Container {
  const ofBlock = (key: string, { lead, head, table }: Block): Item => ({
    key,
    lead,
    head,
    value: toContainer(table, ids),
    trail: "",
    group: 1,
  });
  const items = parts.map((part): Item => {
    if ("value" in part) return part;
    if ("table" in part) return ofBlock(part.key, part);
    const elements = part.elements.map((block) => ofBlock("", block));
    const value = ids.container({ kind: "array", items: elements, layout: "lines" });
    return { key: part.key, lead: "", head: "", value, trail: "", group: 1 };
  });
  return ids.container({ kind: "object", items, close, layout: "lines" });
}

class TomlParser {
  readonly #cursor: Cursor;
  readonly #ids: NodeIds;

  constructor(text: string, ids: NodeIds) {
    this.#cursor = new Cursor(text);
    this.#ids = ids;
  }

  /** The comment at the top of the file, which stays there. */
  fileHead(): string {
    return this.#cursor.fileHead();
  }

  /** The text after the last item. */
  rest(): string {
    const { text } = this.#cursor;
    return this.#cursor.leadOf(text.length);
  }

  table({ key, range, body }: AST.TOMLTable): Block {
    const path = namesOf(key);
    assertDepth(path.length);
    const lead = this.#cursor.leadOf(range[0]);
    const head = this.#cursor.upTo(key.range[1]) + this.#cursor.take(/[ \t]*\]{1,2}/y);
    const block = { lead, head: head + this.#cursor.endOfLine() };
    return { ...block, table: { path, parts: body.map((entry) => this.entry(entry, 1)) } };
  }

  /** A key with its value, which ends a line. */
  entry({ key, value, range }: AST.TOMLKeyValue, depth: number): Item {
    const lead = this.#cursor.leadOf(range[0]);
    const head = this.#cursor.upTo(value.range[0]);
    const node = this.#value(value, depth + 1);
    const trail = this.#cursor.endOfLine();
    return { key: keyOf(namesOf(key)), lead, head, value: node, trail, group: 0 };
  }

  #value(value: AST.TOMLContentNode, depth: number): Node {
    assertDepth(depth);
    if (value.type === "TOMLArray" || value.type === "TOMLInlineTable") {
      return this.#inline(value, depth);
    }
    const text = this.#cursor.upTo(value.range[1]);
    const isString = value.kind === "string";
    return this.#ids.scalar(text, isString ? value.value : text, isString);
  }

  #inline(value: AST.TOMLArray | AST.TOMLInlineTable, depth: number): Container {
    const open = this.#cursor.upTo(value.range[0] + 1);
    const isArray = value.type === "TOMLArray";
    const parts: (AST.TOMLKeyValue | AST.TOMLContentNode)[] = isArray ? value.elements : value.body;
    const items: Item[] = [];
    let hasTrailingComma = false;
    for (const [at, part] of parts.entries()) {
      const lead = this.#cursor.leadOf(part.range[0]);
      const isEntry = part.type === "TOMLKeyValue";
      const content = isEntry ? part.value : part;
      const head = this.#cursor.upTo(content.range[0]);
      const node = this.#value(content, depth + 1);
      const key = isEntry ? keyOf(namesOf(part.key)) : "";
      const before = this.#cursor.at;
      const after = this.#cursor.trivia();
      const isLast = at === parts.length - 1;
      const hasComma = this.#cursor.text[this.#cursor.at] === ",";
      if (!hasComma && !isLast) throw unusual();
      if (hasComma) this.#cursor.at += 1;
      else this.#cursor.at = before;
      if (isLast) hasTrailingComma = hasComma;
      items.push({ key, lead, head, value: node, trail: hasComma ? after : "", group: 0 });
    }
    const close = this.#cursor.upTo(value.range[1]);
    const kind = isArray ? "array" : "object";
    return this.#ids.container({ kind, items, open, close, hasTrailingComma });
  }
}

function namesOf({ keys }: AST.TOMLKey): string[] {
  return keys.map((key) => (key.type === "TOMLBare" ? key.name : key.value));
}
