import { matchLiterals } from "#execution/logs/literal-matcher.js";

/** Replaces a provider's key in an answer while it passes. */
export interface KeyMask {
  /** Takes the next bytes. Returns those that later ones cannot change: all but an unfinished key. */
  write(chunk: Buffer): Buffer;
  /** Returns the rest. */
  end(): Buffer;
}

/** Shorter keys are found in ordinary text. */
export const SHORTEST_MASKED = 8;
const MASK = Buffer.from("***");
const none: Buffer = Buffer.alloc(0);

/** Holds back at most a key, and that only while the bytes that came last begin one. */
export function createKeyMask(key: string): KeyMask {
  if (key.length < SHORTEST_MASKED) return { write: (chunk) => chunk, end: () => none };
  const matcher = matchLiterals(formsOf(key));
  let held: Buffer = none;
  let state = 0;
  return {
    write: (chunk) => {
      const data = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      const parts: Buffer[] = [];
      let from = 0;
      for (let at = held.length; at < data.length; at += 1) {
        state = matcher.next(state, data[at] as number);
        const length = matcher.matched(state);
        if (length === 0) continue;
        parts.push(data.subarray(from, at + 1 - length), MASK);
        from = at + 1;
        state = 0;
      }
      const until = data.length - matcher.depth(state);
      parts.push(data.subarray(from, until));
      held = Buffer.from(data.subarray(until));
      return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    },
    end: () => held,
  };
}

/** Returns the key as text and as JSON, with and without escaped slashes: as strings of bytes. */
function formsOf(key: string): string[] {
  const json = JSON.stringify(key).slice(1, -1);
  return [...new Set([key, json, json.replaceAll("/", "\\/")])].map((form) =>
    Buffer.from(form).toString("latin1"),
  );
}
