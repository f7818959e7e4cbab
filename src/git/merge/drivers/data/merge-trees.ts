/** Three-way merges of trees. */
import { Keyed } from "./keyed.js";
import { DataError, textOf, type Container, type Item, type Node, type NodeIds } from "./tree.js";

/** Both sides changed a value differently. */
export class DataConflictError extends Error {
  override readonly name = "DataConflictError";
  /** The keys of the value, from the top. */
  readonly keys: readonly string[];

  constructor(keys: readonly string[]) {
    super(`both sides changed ${keys.join(" › ")}`);
    this.keys = keys;
  }
}

/** A merged value, with the side whose text surrounds it. */
interface Merged {
  node: Node;
  from: "target" | "source";
}

/**
 * Merges the changes of `source` since `base` into `target`. Objects are merged by key. Arrays of
 * scalars are merged as ordered sets, arrays of objects by `id` or by `name` and `version`, both only if
 * no side reordered them; any other array is one value. The text of unchanged values stays the target's.
 * @param base null if both sides added the text; equal keys are then merged, too
 * @throws DataConflictError if both sides changed a value differently
 * @throws DataError if the result has no text
 */
export function mergeTrees(base: Node | null, target: Node, source: Node, ids: NodeIds): Node {
  return new TreeMerge(ids).merge(base, target, source, []).node;
}

class TreeMerge {
  readonly #ids: NodeIds;

  constructor(ids: NodeIds) {
    this.#ids = ids;
  }

  merge(base: Node | null, target: Node, source: Node, keys: readonly string[]): Merged {
    if (target.id === source.id || base?.id === source.id) return { node: target, from: "target" };
    if (base?.id === target.id) return { node: source, from: "source" };
    if (target.kind === "scalar" || source.kind === "scalar" || base?.kind === "scalar") {
      throw new DataConflictError(keys);
    }
    if (target.kind === "object" && source.kind === "object" && base?.kind !== "array") {
      const all = [target, source, ...(base ? [base] : [])];
      if (all.some(({ hasDuplicates }) => hasDuplicates)) throw new DataConflictError(keys);
      return this.#combine(base, target, source, ({ key }) => key, keys);
    }
    if (target.kind === "array" && source.kind === "array" && base?.kind === "array") {
      const identity = identityOf([base, target, source]);
      if (identity !== null) return this.#combine(base, target, source, identity, keys);
    }
    throw new DataConflictError(keys);
  }

  #combine(
    base: Container | null,
    target: Container,
    source: Container,
    identity: (item: Item) => string,
    keys: readonly string[],
  ): Merged {
    const keyed = (items: readonly Item[]): Keyed<Item> => {
      const side = new Keyed<Item>();
      for (const item of items) side.add(identity(item), item);
      return side;
    };
    const before = keyed(base?.items ?? []);
    const [ofTarget, ofSource] = [keyed(target.items), keyed(source.items)];
    if (target.kind === "array") {
      const isOrdered = keepsOrder(before, ofTarget) && keepsOrder(before, ofSource);
      if (!isOrdered || !keepsOrder(ofTarget, ofSource)) throw new DataConflictError(keys);
    }
    const result = new Keyed<Placed>();
    const [firstKey] = ofTarget.keys;
    const add = (key: string, target: Item | undefined, source: Item | undefined): void => {
      const merged = this.#mergeItem(before.get(key), target, source, keys, key);
      if (merged === null) return;
      merged.isMoved ||= key === firstKey;
      result.add(key, merged);
    };
    for (const key of ofTarget.keys) add(key, ofTarget.get(key), ofSource.get(key));
    for (const key of ofSource.keys) if (!ofTarget.has(key)) add(key, undefined, ofSource.get(key));
    const order = [0, 1].flatMap((group) => {
      const inGroup = ({ keys }: Keyed<Item>): string[] =>
        keys.filter((key) => result.get(key)?.item.group === group);
      return orderOf(inGroup(ofTarget), inGroup(ofSource));
    });
    const items = order.map((key) => result.get(key) as Placed);
    const isFromSource = target.items.length === 0;
    return {
      node: this.#ids.container(arrange(target, source, items)),
      from: isFromSource ? "source" : "target",
    };
  }

  /** Merges an item that the sides have or lack; null if the result lacks it. */
  #mergeItem(
    base: Item | undefined,
    target: Item | undefined,
    source: Item | undefined,
    parents: readonly string[],
    key: string,
  ): Placed | null {
    if (target && source) {
      // Most items of a large file.
      const { id } = source.value;
      if (target.value.id === id || base?.value.id === id) return placed(target, "target");
      const keys = [...parents, key];
      const { node, from } = this.merge(base?.value ?? null, target.value, source.value, keys);
      const content = from === "source" ? source : target;
      // A TOML table in the place of a value is another kind of text.
      const { lead } = content.group === target.group ? target : source;
      return placed(withContent({ ...content, lead, value: node }), "target");
    }
    const kept = target ?? source;
    if (!kept) return null;
    if (!base) return placed(kept, target ? "target" : "source");
    if (base.value.id !== kept.value.id) throw new DataConflictError([...parents, key]);
    return null;
  }
}

/** A YAML block without items would be null: its item gets `{}` or `[]` instead. */
function withContent(item: Item): Item {
  const { value, head } = item;
  if (value.kind === "scalar" || value.items.length > 0) return item;
  if (value.layout === "inline" || value.indent === null) return item;
  const [open, close] = value.kind === "object" ? ["{", "}"] : ["[", "]"];
  const empty: Container = { ...value, layout: "inline", indent: null, open, close };
  return {
    ...item,
    head: head.replace(/(?<=[:-])[ \t]*(?:#[^\n]*)?\r?\n$/, " "),
    value: empty,
    trail: "\n",
  };
}

/** Whether the common keys of two sides have the same order. */
function keepsOrder(a: Keyed<Item>, b: Keyed<Item>): boolean {
  const common = b.keys.filter((key) => a.has(key));
  let at = 0;
  for (const key of a.keys) if (key === common[at]) at += 1;
  return at === common.length;
}

/** Returns how the elements of an array are recognized in all its versions; null if they are not. */
function identityOf(arrays: readonly Container[]): ((item: Item) => string) | null {
  const elements = arrays.map(({ items }) => items);
  const all = elements.flat();
  if (all.every(({ value }) => value.kind === "scalar")) {
    // Equal values may be spelled differently.
    const texts = new Map(all.map(({ value }) => [value.id, textOf(value)]));
    const byValue = ({ value }: Item): string => texts.get(value.id) as string;
    return elements.every((items) => isUnique(items, byValue)) ? byValue : null;
  }
  for (const identity of [(item: Item) => scalarAt(item, "id"), byNameAndVersion(elements)]) {
    const isIdentity = elements.every(
      (items) => items.every((item) => identity(item) !== null) && isUnique(items, identity),
    );
    if (isIdentity) return (item) => identity(item) as string;
  }
  return null;
}

/** The text of an element's value for a key; null if it is no object or has no such scalar. */
function scalarAt({ value }: Item, name: string): string | null {
  if (value.kind !== "object" || value.hasDuplicates) return null;
  const found = value.items.find(({ key }) => key === name)?.value;
  return found?.kind === "scalar" ? found.text : null;
}

/** A name is the identity unless a version of the array has it twice; then the version belongs to it. */
function byNameAndVersion(elements: readonly Item[][]): (item: Item) => string | null {
  const repeated = new Set<string>();
  for (const items of elements) {
    const seen = new Set<string>();
    for (const item of items) {
      const name = scalarAt(item, "name");
      if (name === null) continue;
      if (seen.has(name)) repeated.add(name);
      seen.add(name);
    }
  }
  return (item) => {
    const name = scalarAt(item, "name");
    if (name === null || !repeated.has(name)) return name;
    return `${name} ${scalarAt(item, "version") ?? ""}`;
  };
}

function isUnique(items: readonly Item[], identity: (item: Item) => string | null): boolean {
  return new Set(items.map(identity)).size === items.length;
}

/**
 * Returns the keys of both sides: the target's order, and each key that only the source has after the
 * common key before it there. Between two common keys, sorted keys stay sorted.
 */
function orderOf(target: readonly string[], source: readonly string[]): string[] {
  if (target.length === source.length && target.every((key, at) => key === source[at])) {
    return [...target];
  }
  const [inTarget, inSource] = [new Set(target), new Set(source)];
  /** The keys that only one side has, by the common key before them (null: the start). */
  const runs = (side: readonly string[], otherSide: ReadonlySet<string>) => {
    const found = new Map<string | null, string[]>();
    let last: string | null = null;
    for (const key of side) {
      const run = found.get(last);
      if (otherSide.has(key)) last = key;
      else if (run) run.push(key);
      else found.set(last, [key]);
    }
    return found;
  };
  const [one, other] = [runs(target, inSource), runs(source, inTarget)];
  const runAfter = (key: string | null): string[] =>
    mergeSorted(one.get(key) ?? [], other.get(key) ?? []);
  const order = runAfter(null);
  for (const key of target) {
    if (!inSource.has(key)) continue;
    order.push(key);
    if (one.has(key) || other.has(key)) for (const added of runAfter(key)) order.push(added);
  }
  return order;
}

function mergeSorted(a: readonly string[], b: readonly string[]): string[] {
  const isSorted = (keys: readonly string[]): boolean =>
    keys.every((key, at) => at === 0 || (keys[at - 1] as string) <= key);
  const both = [...a, ...b];
  return isSorted(a) && isSorted(b) ? both.sort() : both;
}

/** An item of the result; `isMoved` if its place may differ from the one it was written for. */
interface Placed {
  item: Item;
  from: Merged["from"];
  isMoved: boolean;
}

const placed = (item: Item, from: Placed["from"]): Placed => ({
  item,
  from,
  isMoved: from === "source",
});

/**
 * Returns a container of the items in the target's form, or in the source's if the target is empty. Items
 * get the whitespace of their new places.
 * @throws DataError if the sides lay out the same data differently
 */
function arrange(target: Container, source: Container, all: readonly Placed[]): Container {
  const shape = target.items.length === 0 ? source : target;
  const isAlike = target.layout === source.layout && target.indent === source.indent;
  if (shape === target && !isAlike && all.some(({ from }) => from === "source")) {
    throw new DataError("The sides lay out the same data differently.");
  }
  const first = shape.items[0]?.lead ?? "";
  const other =
    shape.layout === "lines"
      ? (shape.indent ?? first)
      : (shape.items[1]?.lead ?? otherLead(first, source.items[1]?.lead));
  const items = all.map(({ item, isMoved }, at): Item => {
    const isFirst = at === 0;
    if (!isFirst && !isMoved) return item;
    const isInline = isFirst && shape.isFirstInline;
    if (/\S/.test(item.lead)) {
      if (isInline) throw new DataError("A comment has no place in the merged data.");
      return item;
    }
    if (shape.layout === "lines") {
      if (isInline) return { ...item, lead: "" };
      return item.lead === "" && isMoved ? { ...item, lead: other } : item;
    }
    if (isFirst) return { ...item, lead: first };
    return isMoved ? { ...item, lead: other } : item;
  });
  const isEmpty = items.length === 0 && /^\s*\S$/.test(shape.close);
  const close = isEmpty ? shape.close.trimStart() : shape.close;
  return { ...shape, items, close };
}

/** The whitespace before further items of a container with one item. */
function otherLead(first: string, ofSource: string | undefined): string {
  if (first.includes("\n")) return first;
  return ofSource !== undefined && !ofSource.includes("\n") ? ofSource : " ";
}
