/**
 * Trees of JSON, YAML and TOML texts that keep every character: `textOf(parse(text))` is the text. So a
 * merge of trees keeps comments, order and the spelling of every value.
 */

/** A key with its value, or an element of an array. The text is lead, head, value and trail. */
export interface Item {
  /** The decoded key; the identity of an element only while arrays are merged. */
  key: string;
  /** Text before it: whitespace, and comments in YAML and TOML. */
  lead: string;
  /** The key and everything up to the value. */
  head: string;
  value: Node;
  /** Text after the value, up to a separator or with the end of the line. */
  trail: string;
  /** TOML places keys (0) before tables (1). */
  group: 0 | 1;
}

export interface Scalar {
  kind: "scalar";
  /** Equal nodes of one `NodeIds` have equal ids. */
  id: number;
  text: string;
}

export interface Container {
  kind: "object" | "array";
  id: number;
  open: string;
  items: Item[];
  close: string;
  /** `inline` items have commas between them; each of `lines` has lines of its own. */
  layout: "inline" | "lines";
  /** Whether a comma follows the last item, too. */
  hasTrailingComma: boolean;
  /** The indentation of items if it matters (YAML); null otherwise. */
  indent: string | null;
  /** Whether the first item continues a line (`- key: value`). */
  isFirstInline: boolean;
  /** An object with duplicate keys is one value. */
  hasDuplicates: boolean;
}

export type Node = Scalar | Container;

/** The text cannot be merged as data; the message says why. */
export class DataError extends Error {
  override readonly name = "DataError";
}

/** Maximum levels of nesting. */
const MAX_DEPTH = 200;

/** @throws DataError */
export function assertDepth(depth: number): void {
  if (depth > MAX_DEPTH) throw new DataError("It is nested deeper than 200 levels.");
}

/** More than a file can have nodes and keys; the product of two is a safe integer. */
const MAX_IDS = 2 ** 26;

/** Longer lines are not remembered: comparing many of them takes long. */
export const MAX_LINE = 500;

/**
 * Numbers nodes by their data, so that comparing two trees is comparing two numbers, and remembers the items
 * that the lines of one format stand for: the versions of a file share most of their lines.
 */
export class NodeIds {
  readonly #scalars = new Map<string, number>();
  readonly #strings = new Map<string, number>();
  readonly #containers = new Map<string, number>();
  readonly #keys = new Map<string, number>();
  readonly #lines: Map<string, Item>[] = [];
  #size = 0;

  /** Returns the items of lines in one context, by the whole text of such a line. */
  linesOf(context: number): Map<string, Item> {
    return (this.#lines[context] ??= new Map());
  }

  #of(ids: Map<string, number>, data: string): number {
    const known = ids.get(data);
    if (known !== undefined) return known;
    this.#size += 1;
    ids.set(data, this.#size);
    return this.#size;
  }

  /** A scalar with its text, equal to others with the same data; strings equal no other scalars. */
  scalar(text: string, data: string, isString: boolean): Scalar {
    return { kind: "scalar", id: this.#of(isString ? this.#strings : this.#scalars, data), text };
  }

  /** A container; the order of an object's keys is not part of its data. */
  container(
    parts: Pick<Container, "kind" | "items"> & Partial<Omit<Container, "id" | "hasDuplicates">>,
  ): Container {
    const { kind, items } = parts;
    // Numbers are sorted faster than texts.
    const members = new Float64Array(items.length);
    for (let at = 0; at < members.length; at += 1) {
      const { key, value } = items[at] as Item;
      members[at] = kind === "object" ? this.#of(this.#keys, key) * MAX_IDS + value.id : value.id;
    }
    const hasDuplicates = kind === "object" && !sortUnique(members);
    const data =
      members.length < 8 ? members.join() : Buffer.from(members.buffer).toString("latin1");
    return {
      open: "",
      close: "",
      layout: "inline",
      hasTrailingComma: false,
      indent: null,
      isFirstInline: false,
      ...parts,
      hasDuplicates,
      id: this.#of(this.#containers, `${kind === "object" ? "o" : "a"}${data}`),
    };
  }
}

/** Sorts the members of an object by their keys unless a key is repeated; returns whether it did. */
function sortUnique(members: Float64Array): boolean {
  const sorted = members.toSorted();
  let last = -1;
  for (const member of sorted) {
    const key = Math.floor(member / MAX_IDS);
    if (key === last) return false;
    last = key;
  }
  members.set(sorted);
  return true;
}

/** Returns the text of a tree. */
export function textOf(node: Node): string {
  const parts: string[] = [];
  write(node, parts);
  return parts.join("");
}

function write(node: Node, parts: string[]): void {
  if (node.kind === "scalar") {
    parts.push(node.text);
    return;
  }
  const { items, layout } = node;
  parts.push(node.open);
  for (const [at, { lead, head, value, trail }] of items.entries()) {
    parts.push(lead, head);
    write(value, parts);
    parts.push(trail);
    const isLast = at === items.length - 1;
    if (layout === "inline" && (!isLast || node.hasTrailingComma)) parts.push(",");
  }
  parts.push(node.close);
}
