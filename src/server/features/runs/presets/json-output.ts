/** Reading JSON at the end of an untrusted program's output. */

type Entry = Record<string, unknown>;

/** Returns the property of an object, and undefined for anything else. */
export function propertyOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Entry)[name]
    : undefined;
}

/** Returns the last text that `pick` finds in the output's lines of JSON, or null. */
export function lastText(output: string, pick: (entry: unknown) => unknown): string | null {
  for (const line of output.split("\n").toReversed()) {
    const found = line.startsWith("{") ? pick(parse(line)) : undefined;
    if (typeof found === "string") return found;
  }
  return null;
}

/** Returns the object at the end of the output, in several lines of which the first is `{`; or null. */
export function lastObject(output: string): unknown {
  const start = `\n${output}`.lastIndexOf("\n{\n");
  return start === -1 ? null : parse(output.slice(start));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
