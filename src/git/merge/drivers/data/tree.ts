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

/** Numbers nodes by their data, so that comparing two trees is comparing two numbers. */
export class NodeIds {
  readonly #ids = new Map<string, number>();

  of(data: string): number {
    const known = this.#ids.get(data);
    if (known !== undefined) return known;
    this.#ids.set(data, this.#ids.size);
    return this.#ids.size - 1;
  }

  /** A scalar with its text, equal to others with the same data. */
  scalar(text: string, data: string): Scalar {
    return { kind: "scalar", id: this.of(`s${data}`), text };
  }

  /** A container; the order of an object's keys is not part of its data. */
  container(
    parts: Pick<Container, "kind" | "items"> & Partial<Omit<Container, "id" | "hasDuplicates">>,
  ): Container {
    const { kind, items } = parts;
    const keys = new Set(items.map(({ key }) => key));
    const hasDuplicates = kind === "object" && keys.size < items.length;
    const members = items.map(({ key, value }) =>
      kind === "object" ? `${JSON.stringify(key)}:${value.id}` : String(value.id),
    );
    if (kind === "object" && !hasDuplicates) members.sort();
    return {
      open: "",
      close: "",
      layout: "inline",
      hasTrailingComma: false,
      indent: null,
      isFirstInline: false,
      ...parts,
      hasDuplicates,
      id: this.of(`${kind === "object" ? "o" : "a"}${members.join()}`),
    };
  }
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
