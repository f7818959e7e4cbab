/**
 * Parses YAML. A fast reader handles the common form: block mappings and lists whose keys and most values are on
 * one line. The general parser takes ten times as long, and reads all other documents, and single values of these.
 */
import { parseBlockScalar, parseFlow, parseGeneralYaml } from "./parse-general-yaml.js";
import {
  DataError,
  MAX_LINE,
  type Container,
  type Item,
  type Node,
  type NodeIds,
  type Scalar,
} from "./tree.js";
import { Cursor, unusual } from "./trivia.js";

/** Maximum levels of blocks, and of brackets in a line: a line means the same at every level. */
const MAX_LEVELS = 100;
/** YAML limits keys to 1024 characters. */
const MAX_KEY = 1000;

/** Characters that need care: lone carriage returns, control characters, byte order marks, surrogates. */
const special = /[^\t\n\r\u0020-\u007e\u00a1-\ud7ff\ue000-\ufefe]|\r(?!\n)/;
const marker = /(?: *(?:#[^\n]*)?\r?\n)*---\r?\n/y;
const fileHead = /(?: *#[^\n]*\n)*(?: *\r?\n)*/y;
/** Empty lines, lines of comments, and the indentation after them. Tabs are left to the general parser. */
const trivia = /(?: *(?:#[^\n]*\n|\r?\n))* */y;
const dash = /-(?=[ \r\n])/y;
const keyPattern =
  /(?:(?!\.\.\.)[A-Za-z0-9_./$][A-Za-z0-9_./$@+-]*|'[^'\n]*'|"[^"\\\n]*")(?=:[ \r\n])/y;
const quoted = /'[^'\n]*'|"[^"\\\n]*"/y;
const plain =
  /(?:[A-Za-z0-9_./$^~=+(<]|-(?=[A-Za-z0-9_.]))(?:[^ \t\r\n:]|:(?![ \r\n])| +(?![ #\r\n]))*/y;
const lineEnd = /(?: +#[^\n]*\n| *\r?\n)/y;
const spaces = / */y;
const blockHeader = /[|>][+-]?(?: +#[^\n]*\n| *\r?\n)/y;

/**
 * Parses one YAML document. Plain scalars keep their spelling and are not resolved. Documents with
 * anchors, aliases or tags are refused: a merge could change the value that an alias stands for.
 * @throws DataError
 */
export function parseYaml(text: string, ids: NodeIds): Container {
  return scanYaml(text, ids) ?? parseGeneralYaml(text, ids);
}

/**
 * Returns the general parser's tree; null for a document with a form that only that parser reads, or with
 * an error.
 */
export function scanYaml(text: string, ids: NodeIds): Container | null {
  if (special.test(text)) return null;
  try {
    return new Scanner(text, ids).document();
  } catch (error) {
    if (error instanceof DataError) return null;
    throw error;
  }
}

class Scanner extends Cursor {
  readonly #ids: NodeIds;
  readonly #known: Map<string, Item>;
  /** The next item: the text before it, its column (-1 at the end), its line and the end of that. */
  #lead = "";
  #column = 0;
  #line = "";
  #end = 0;

  constructor(text: string, ids: NodeIds) {
    super(text);
    this.#ids = ids;
    this.#known = ids.linesOf(0);
  }

  document(): Container {
    const open = (this.match(marker) ?? "") + this.take(fileHead);
    this.#toContent();
    if (this.#column === -1) throw unusual();
    const root = this.#block(1, false);
    if (this.#column !== -1) throw unusual();
    return { ...root, open, close: this.#lead };
  }

  /** Reads a mapping or list that begins here, with its items in this column. */
  #block(depth: number, isFirstInline: boolean): Container {
    if (depth > MAX_LEVELS) throw unusual();
    const column = this.#column;
    const isList = this.peeks(dash);
    const items: Item[] = [];
    do items.push(this.#item(column, isList, depth));
    while (this.#column === column && this.peeks(dash) === isList);
    if (this.#column > column || (this.#column === column && !isList)) throw unusual();
    const kind = isList ? "array" : "object";
    const indent = " ".repeat(column);
    return this.#ids.container({ kind, items, layout: "lines", indent, isFirstInline });
  }

  /** Reads a key or dash with its value, up to the next content. */
  #item(column: number, isList: boolean, depth: number): Item {
    const [lead, line, end, start] = [this.#lead, this.#line, this.#end, this.at];
    const found = this.#known.get(line);
    if (found !== undefined) {
      this.at = end;
      this.#toNext(column);
      return found.lead === lead ? found : { ...found, lead };
    }
    let head = this.take(isList ? dash : keyPattern);
    if (head.length > MAX_KEY) throw unusual();
    const key = isList ? "" : dataOf(head);
    if (!isList) head += this.take(/:/y);
    const rest = this.match(lineEnd);
    if (rest !== null) {
      this.#toContent();
      const isNested =
        this.#column > column || (!isList && this.#column === column && this.peeks(dash));
      const value = isNested ? this.#block(depth + 1, false) : this.#ids.scalar("", "", false);
      if (isNested) return { key, lead, head: head + rest, value, trail: "", group: 0 };
      return { key, lead, head, value, trail: rest, group: 0 };
    }
    head += this.take(spaces);
    const first = this.text[this.at];
    if (first === "|" || first === ">") {
      const value = this.#blockScalar(column);
      this.#toNext(column);
      return { key, lead, head, value, trail: "", group: 0 };
    }
    if (isList && (this.peeks(dash) || this.peeks(keyPattern))) {
      this.#lead = "";
      this.#column += this.at - start;
      this.#line = line === "" ? "" : this.text.slice(this.at, end);
      const value = this.#block(depth + 1, true);
      return { key, lead, head, value, trail: "", group: 0 };
    }
    const value = first === "{" || first === "[" ? this.#flow() : this.#scalar();
    const trail = this.take(lineEnd);
    const item: Item = { key, lead: line.slice(0, start - end), head, value, trail, group: 0 };
    if (line !== "") this.#known.set(line, item);
    this.#toNext(column);
    return item.lead === lead ? item : { ...item, lead };
  }

  #scalar(): Scalar {
    const text = this.match(quoted);
    if (text !== null) return this.#ids.scalar(text, dataOf(text), true);
    const word = this.take(plain);
    return this.#ids.scalar(word, word, false);
  }

  /** Reads a collection in brackets that ends in its line. */
  #flow(): Node {
    const line = this.text.slice(this.at, this.#end);
    const { node, length } = parseFlow(line, this.#ids, MAX_LEVELS + 1);
    this.at += length;
    return node;
  }

  /** Reads a literal or folded scalar, whose lines are indented more than its key or dash. */
  #blockScalar(column: number): Scalar {
    const { text } = this;
    const from = this.at;
    let end = from + this.take(blockHeader).length;
    for (;;) {
      const next = text.indexOf("\n", end);
      if (next === -1) break;
      const indent = /^ */.exec(text.slice(end, Math.min(next, end + column + 1)))?.[0].length;
      const isEmpty = text.slice(end, next).trim() === "";
      if (!isEmpty && (indent ?? 0) <= column) break;
      end = next + 1;
    }
    const lines = text.slice(from, end);
    if (lines.includes("\t")) throw unusual();
    const scalar = parseBlockScalar(lines, this.#ids, " ".repeat(column));
    this.at = from + scalar.text.length;
    if (text[this.at - 1] !== "\n") throw unusual();
    return scalar;
  }

  /** Goes to the next content, which must not continue a value in a column. */
  #toNext(column: number): void {
    this.#toContent();
    if (this.#column > column) throw unusual();
  }

  /** Goes from the start of a line to the next content. */
  #toContent(): void {
    const { text } = this;
    this.#lead = this.take(trivia);
    let start = this.at;
    while (text.charCodeAt(start - 1) === SPACE) start -= 1;
    this.#column = this.at === text.length ? -1 : this.at - start;
    this.#end = text.indexOf("\n", this.at) + 1;
    this.#line = this.#end - start > MAX_LINE ? "" : text.slice(start, this.#end);
  }
}

const SPACE = 32;

/** The data of a key or scalar on one line, without escapes. */
const dataOf = (text: string): string => (/^['"]/.test(text) ? text.slice(1, -1) : text);
