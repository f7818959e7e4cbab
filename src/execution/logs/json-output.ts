/** Reading JSON at the end of an untrusted program's output. */

type Entry = Record<string, unknown>;

/** Maximum number of lines that are parsed, from the last one on; a program may print any number. */
const MAX_PARSED = 200;

/** Returns the property of an object, and undefined for anything else. */
export function propertyOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Entry)[name]
    : undefined;
}

/**
 * Yields the objects in the output's lines of JSON, from the last one on; null for a line that is none.
 * @param most maximum number of lines that are parsed
 */
export function* entriesFromEnd(output: string, most = MAX_PARSED): Generator {
  let end = output.length;
  for (let parsed = 0; parsed < most && end >= 0;) {
    const start = end === 0 ? -1 : output.lastIndexOf("\n", end - 1);
    const line = output.slice(start + 1, end).trimEnd();
    end = start;
    if (!line.startsWith("{") || !line.endsWith("}")) continue;
    parsed += 1;
    yield parse(line);
  }
}

/** Returns the last text that `pick` finds in the output's lines of JSON, or null. */
export function lastText(output: string, pick: (entry: unknown) => unknown): string | null {
  for (const entry of entriesFromEnd(output)) {
    const found = pick(entry);
    if (typeof found === "string") return found;
  }
  return null;
}

/** Returns an array's elements, and none of anything else. */
export function elementsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

/** Returns a text, and an empty one for anything else. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** Returns null for a text that is no JSON. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
