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

/** Returns the last text that `pick` finds in the output's lines of JSON, or null. */
export function lastText(output: string, pick: (entry: unknown) => unknown): string | null {
  let end = output.length;
  for (let parsed = 0; parsed < MAX_PARSED && end >= 0;) {
    const start = end === 0 ? -1 : output.lastIndexOf("\n", end - 1);
    const line = output.slice(start + 1, end).trimEnd();
    end = start;
    if (!line.startsWith("{") || !line.endsWith("}")) continue;
    parsed += 1;
    const found = pick(parse(line));
    if (typeof found === "string") return found;
  }
  return null;
}

/**
 * Returns the object at the end of the output, in several lines of which the first is `{` and the last
 * `}`; or null. Other lines may follow.
 */
export function lastObject(output: string): unknown {
  const text = `\n${output}`;
  const last = text.lastIndexOf("\n}");
  const start = text.lastIndexOf("\n{\n", last);
  return start === -1 ? null : parse(text.slice(start, last + 2));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
