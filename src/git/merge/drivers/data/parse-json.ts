import {
  assertDepth,
  DataError,
  MAX_LINE,
  type Container,
  type Item,
  type Node,
  type NodeIds,
} from "./tree.js";

/**
 * Parses JSON (RFC 8259). Numbers keep their spelling: 1.0 and 1 are different values.
 * @throws DataError
 */
export function parseJson(text: string, ids: NodeIds): Node {
  const parser = new JsonParser(text, ids);
  const open = parser.space();
  const root = parser.value(1);
  const close = parser.space();
  parser.end();
  if (root.kind === "scalar") return { ...root, text: `${open}${root.text}${close}` };
  return { ...root, open: `${open}${root.open}`, close: `${root.close}${close}` };
}

class JsonParser {
  readonly #text: string;
  readonly #ids: NodeIds;
  #at = 0;

  constructor(text: string, ids: NodeIds) {
    this.#text = text;
    this.#ids = ids;
  }

  end(): void {
    if (this.#at !== this.#text.length) this.#fail();
  }

  space(): string {
    const from = this.#at;
    while (isSpace(this.#text.charCodeAt(this.#at))) this.#at += 1;
    return this.#text.slice(from, this.#at);
  }

  value(depth: number): Node {
    assertDepth(depth);
    const first = this.#text[this.#at];
    if (first === "{") return this.#container("object", "}", depth);
    if (first === "[") return this.#container("array", "]", depth);
    if (first === '"') {
      const { raw, value } = this.#string();
      return this.#ids.scalar(raw, value, true);
    }
    literal.lastIndex = this.#at;
    if (!literal.test(this.#text)) this.#fail();
    const raw = this.#text.slice(this.#at, literal.lastIndex);
    this.#at = literal.lastIndex;
    return this.#ids.scalar(raw, raw, false);
  }

  #container(kind: Container["kind"], end: string, depth: number): Container {
    const open = this.#text[this.#at] as string;
    this.#at += 1;
    const known = this.#ids.linesOf(kind === "object" ? 2 * depth : 2 * depth + 1);
    const items: Item[] = [];
    let lead: string;
    for (;;) {
      const line = this.#line();
      const found = line === null ? undefined : known.get(line);
      if (line !== null && found !== undefined) {
        items.push(found);
        this.#at += line.length;
        continue;
      }
      const from = this.#at;
      lead = this.space();
      if (items.length === 0 && this.#text[this.#at] === end) break;
      const { key, head } = kind === "object" ? this.#key() : { key: "", head: "" };
      const value = this.value(depth + 1);
      const after = this.space();
      const isLast = this.#text[this.#at] === end;
      const item: Item = { key, lead, head, value, trail: isLast ? "" : after, group: 0 };
      items.push(item);
      lead = after;
      if (isLast) break;
      this.#take(",");
      if (line?.length === this.#at - from) known.set(line, item);
    }
    this.#take(end);
    return this.#ids.container({ kind, items, open, close: `${lead}${end}` });
  }

  /** Returns the line break here and the line after it; null if there is none or the line is long. */
  #line(): string | null {
    const first = this.#text.charCodeAt(this.#at);
    const length = first === LINE_FEED ? 1 : first === CARRIAGE_RETURN ? 2 : 0;
    if (length === 0 || this.#text.charCodeAt(this.#at + length - 1) !== LINE_FEED) return null;
    const newline = this.#text.indexOf("\n", this.#at + length);
    const end = this.#text.charCodeAt(newline - 1) === CARRIAGE_RETURN ? newline - 1 : newline;
    const isShort = newline !== -1 && end - this.#at <= MAX_LINE;
    return isShort ? this.#text.slice(this.#at, end) : null;
  }

  #key(): { key: string; head: string } {
    const from = this.#at;
    const { value } = this.#string();
    this.space();
    this.#take(":");
    this.space();
    return { key: value, head: this.#text.slice(from, this.#at) };
  }

  /** The end is found by hand: a regular expression would need a stack as long as the string. */
  #string(): { raw: string; value: string } {
    const from = this.#at;
    if (this.#text[from] !== '"') this.#fail();
    let at = from + 1;
    let isPlain = true;
    while (at < this.#text.length) {
      const code = this.#text.charCodeAt(at);
      if (code === QUOTE) break;
      if (code === BACKSLASH || code < SPACE) isPlain = false;
      at += code === BACKSLASH ? 2 : 1;
    }
    const raw = this.#text.slice(from, at + 1);
    this.#at = at + 1;
    if (isPlain && at < this.#text.length) return { raw, value: raw.slice(1, -1) };
    try {
      return { raw, value: JSON.parse(raw) as string };
    } catch {
      return this.#fail();
    }
  }

  #take(character: string): void {
    if (this.#text[this.#at] !== character) this.#fail();
    this.#at += 1;
  }

  #fail(): never {
    throw new DataError("It is not valid JSON.");
  }
}

const [LINE_FEED, CARRIAGE_RETURN, SPACE, QUOTE, BACKSLASH] = [10, 13, 32, 34, 92];

/** Whether a character is a space, line feed, carriage return or tab. */
const isSpace = (code: number): boolean =>
  code === SPACE || code === LINE_FEED || code === CARRIAGE_RETURN || code === 9;

const literal = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
