import { isUuid } from "#shared/uuid.js";
import { AppError } from "../errors.js";

/** NUL, or half of a surrogate pair: neither PostgreSQL's text nor its JSON can hold them. */
const unstorable = /[\0\p{Surrogate}]/u;
const maxDepth = 64;

type Path = readonly (string | number)[];

/**
 * Refuses what could be validated but never stored, wherever it stands in the input.
 * @throws AppError 422 naming the place
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

/** Whether a path's parameter could name anything that is stored. */
export function isStorable(text: string): boolean {
  return !unstorable.test(text);
}

/** Ids in small letters, as we give them out: they are compared and name locks (RFC 9562, section 4). */
export function withPlainIds<Input>(input: Input): Input {
  if (typeof input !== "object" || input === null) return input;
  // Most of what is sent names nothing.
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
