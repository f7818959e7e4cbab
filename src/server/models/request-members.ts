/**
 * The members of a request that the gateway reads. Some providers ignore the case of names, as Go's encoding/json
 * does, and take either of two members of a name: the gateway reads names as they do, and refuses doubled ones.
 */
import { parseJson, isRecord } from "./json.js";

/** Deepest nesting of a request; Go's encoding/json takes 10 000, and requests have a few dozen. */
export const MAX_DEPTH = 1000;
/** Most members of an object that is read; requests have a few dozen. */
export const MAX_MEMBERS = 100;
/** Most objects that are read: messages, blocks and tools; long conversations have thousands. */
export const MAX_PARTS = 100_000;

/** A part of a request whose members are read; arrays have the kind of their items. */
type Kind = "request" | "block" | "tool" | "other";

/** The parts of a part that are read as well. */
const partsOf: Readonly<Record<Kind, Readonly<Record<string, Kind>>>> = {
  request: {
    messages: "block",
    input: "block",
    system: "block",
    tools: "tool",
    stream_options: "other",
    fallbacks: "other",
  },
  block: {
    content: "block",
    output: "block",
    source: "block",
    file: "other",
    image_url: "other",
  },
  tool: {},
  other: {},
};

/** The members of an object by their folded names. */
export type Members = Readonly<Record<string, unknown>>;

/** Returns the request as a JSON object, or what is wrong with it as a sentence. */
export function parseRequest(text: string): Members | string {
  const problem = findProblem(text);
  if (problem !== null) return problem;
  const request = parseJson(text);
  return isRecord(request) ? membersOf(request) : "The body must be a JSON object.";
}

/** Returns the members of a part that is read, by their folded names. */
export function membersOf(part: Readonly<Record<string, unknown>>): Members {
  if (Object.keys(part).every((name) => fold(name) === name)) return part;
  return Object.fromEntries(Object.entries(part).map(([name, value]) => [fold(name), value]));
}

/** Folds the case of a name as Go's encoding/json does: "ſ" is an "s", and the Kelvin sign a "k". */
const fold = (name: string): string =>
  /^[a-z_]*$/.test(name) ? name : name.toUpperCase().toLowerCase();

/** An object or an array that has begun. */
interface Open {
  isObject: boolean;
  /** Null for a part that is not read. */
  kind: Kind | null;
  /** The folded names so far of an object that is read. */
  names: string[] | null;
  /** Whether the next string is a name. */
  isName: boolean;
  /** The kind of the next value. */
  next: Kind | null;
}

const code = (character: string): number => character.charCodeAt(0);
const [QUOTE, COMMA] = [code('"'), code(",")];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = Array.from("{}[]", code);

/**
 * Finds a doubled name, too many names or a nesting that is too deep, before the text is parsed. The text may be no
 * JSON: it is then refused in any case.
 */
function findProblem(text: string): string | null {
  const open: Open[] = [];
  let top: Open | undefined;
  let parts = 0;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case QUOTE: {
        const end = endOfString(text, at);
        if (top?.isName === true) {
          const problem = takeName(top, text.slice(at, end + 1));
          if (problem !== null) return problem;
        }
        at = end;
        break;
      }
      case OPEN_OBJECT:
      case OPEN_ARRAY: {
        if (open.length === MAX_DEPTH) return `The body has more than ${MAX_DEPTH} levels.`;
        const kind: Kind | null = top === undefined ? "request" : top.next;
        const isObject = text.charCodeAt(at) === OPEN_OBJECT;
        const names = isObject && kind !== null ? [] : null;
        if (names !== null) parts += 1;
        if (parts > MAX_PARTS) return `The body has more than ${MAX_PARTS} messages and blocks.`;
        top = { isObject, kind, names, isName: isObject, next: isObject ? null : kind };
        open.push(top);
        break;
      }
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        open.pop();
        top = open.at(-1);
        break;
      case COMMA:
        if (top?.isObject === true) top.isName = true;
        break;
      default:
    }
  }
  return null;
}

/** Takes a name with its quotes. Returns what is wrong with it. */
function takeName(object: Open, quoted: string): string | null {
  const { names, kind } = object;
  object.isName = false;
  object.next = null;
  if (names === null || kind === null) return null;
  const name = fold(quoted.includes("\\") ? String(parseJson(quoted)) : quoted.slice(1, -1));
  if (names.includes(name)) {
    const shown = JSON.stringify(name.slice(0, 100));
    return `The member ${shown} is doubled; names that differ by case alone count as one.`;
  }
  if (names.length === MAX_MEMBERS) return `An object has more than ${MAX_MEMBERS} members.`;
  names.push(name);
  if (Object.hasOwn(partsOf[kind], name)) object.next = partsOf[kind][name] ?? null;
  return null;
}

/** Returns the position of the quote that ends a string; the end of the text if it does not end. */
function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let before = at;
    while (text[before - 1] === "\\") before -= 1;
    if ((at - before) % 2 === 0) return at;
  }
  return text.length;
}
