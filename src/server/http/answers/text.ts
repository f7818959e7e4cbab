import { isUuid } from "#shared/uuid.js";
import { AppError } from "../../errors.js";

/** NUL or an unpaired surrogate: PostgreSQL can store neither in text nor in JSON. */
const unstorable = /[\0\p{Surrogate}]/u;
const maxDepth = 64;

type Path = readonly (string | number)[];

/**
 * Rejects input that passes validation but cannot be stored, at any depth.
 * @throws AppError 422 naming the location
 */
export function refuseUnstorable(part: "query" | "body", input: unknown): void {
  const open: { value: unknown; path: Path }[] = [{ value: input, path: [part] }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, path } = next;
    if (typeof value === "string") {
      if (unstorable.test(value)) throw refused(path, "must be Unicode text without NUL");
    } else if (typeof value === "object" && value !== null) {
      if (path.length > maxDepth) throw refused(path.slice(0, 2), "is nested too deeply");
      for (const [key, inner] of Object.entries(value)) {
        const inside = [...path, Array.isArray(value) ? Number(key) : key];
        if (unstorable.test(key)) throw refused(inside, "must be Unicode text without NUL");
        open.push({ value: inner, path: inside });
      }
    }
  }
}

function refused(loc: Path, msg: string): AppError {
  return new AppError("validation_failed", `${loc.slice(1).join(".") || loc[0]} ${msg}.`, {
    errors: [{ loc: [...loc], msg, type: "unstorable_text" }],
  });
}

/** Whether a path parameter could name a stored item. */
export function isStorable(text: string): boolean {
  return !unstorable.test(text);
}

/** Lowercases ids, which are compared as text and name locks (RFC 9562, section 4). */
export function withPlainIds<Input>(input: Input): Input {
  if (typeof input !== "object" || input === null) return input;
  // Most input contains no ids.
  if (!Object.keys(input).some((key) => key.endsWith("_id"))) return input;
  return Object.fromEntries(
    Object.entries(input).map(([key, value]) => [
      key,
      key.endsWith("_id") && typeof value === "string" && isUuid(value.toLowerCase())
        ? value.toLowerCase()
        : (value as unknown),
    ]),
  ) as Input;
}
