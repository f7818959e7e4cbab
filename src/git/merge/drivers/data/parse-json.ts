import {
  assertDepth,
  DataError,
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
    while (" \n\r\t".includes(this.#text[this.#at] ?? "x")) this.#at += 1;
    return this.#text.slice(from, this.#at);
  }

  value(depth: number): Node {
    assertDepth(depth);
    const first = this.#text[this.#at];
    if (first === "{") return this.#container("object", "}", depth);
    if (first === "[") return this.#container("array", "]", depth);
    if (first === '"') {
      const { raw, value } = this.#string();
      return this.#ids.scalar(raw, `"${value}`);
    }
    literal.lastIndex = this.#at;
    const [raw] = literal.exec(this.#text) ?? this.#fail();
    this.#at += raw.length;
    return this.#ids.scalar(raw, raw);
  }

  #container(kind: Container["kind"], end: string, depth: number): Container {
    const open = this.#text[this.#at] as string;
    this.#at += 1;
    const items: Item[] = [];
    let lead = this.space();
    if (this.#text[this.#at] !== end) {
      for (;;) {
        const { key, head } = kind === "object" ? this.#key() : { key: "", head: "" };
        const value = this.value(depth + 1);
        const after = this.space();
        const isLast = this.#text[this.#at] === end;
        items.push({ key, lead, head, value, trail: isLast ? "" : after, group: 0 });
        lead = after;
        if (isLast) break;
        this.#take(",");
        lead = this.space();
      }
    }
    this.#take(end);
    return this.#ids.container({ kind, items, open, close: `${lead}${end}` });
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
    while (at < this.#text.length && this.#text[at] !== '"') at += this.#text[at] === "\\" ? 2 : 1;
    const raw = this.#text.slice(from, at + 1);
    this.#at = at + 1;
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

const literal = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
