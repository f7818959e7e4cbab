/** The driver `json`: a three-way merge of the data of a JSON, YAML or TOML file. */
import { DataConflictError, mergeTrees } from "./merge-trees.js";
import { parseJson } from "./parse-json.js";
import { parseToml } from "./parse-toml.js";
import { parseYaml } from "./parse-yaml.js";
import { DataError, NodeIds, textOf, type Node } from "./tree.js";

/** The versions of a file; `base` is null if both sides added it. */
export interface FileVersions {
  /** Its name, which tells the format. */
  name: string;
  base: Uint8Array | null;
  target: Uint8Array;
  source: Uint8Array;
}

/** The merged bytes, the keys of the first value that both sides changed, or why lines are merged. */
export type DataMerge =
  | { result: "merged"; bytes: Uint8Array }
  | { result: "conflict"; keys: string[] }
  | { result: "lines"; reason: string };

type Parse = (text: string, ids: NodeIds) => Node;

/** Merges the data of a file. Never throws for any content. */
export function mergeData({ name, base, target, source }: FileVersions): DataMerge {
  try {
    const [before, into, from] = [base && decode(base), decode(target), decode(source)];
    const text = mergeTexts(formatsOf(name), before, into, from);
    return { result: "merged", bytes: Buffer.from(text, "utf8") };
  } catch (error) {
    if (error instanceof DataConflictError) return { result: "conflict", keys: [...error.keys] };
    if (error instanceof DataError) return { result: "lines", reason: error.message };
    // A parser ran out of stack.
    if (error instanceof RangeError) return { result: "lines", reason: "It is nested too deeply." };
    throw error;
  }
}

const NEWLINE = 10;
const COMMA = 44;
const OPENING = new Set(Buffer.from("[{"));
const CLOSING = new Set(Buffer.from("]}"));
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Maximum number of lines and of further elements in them, which bounds the time of the parsers. */
const MAX_ELEMENTS = 200_000;

/**
 * Maximum number of open brackets, and of bytes with which a line of YAML opens blocks: parsers recurse, and one
 * that runs out of stack can end the process.
 */
const MAX_OPEN = 1000;
const BLOCKS = new Set(Buffer.from(" \t-?:"));

/** @throws DataError */
function decode(bytes: Uint8Array): string {
  let elements = 0;
  let brackets = 0;
  /** Where the line begins; null after its first byte that opens no block. */
  let line: number | null = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] as number;
    if (byte === NEWLINE || (byte === COMMA && bytes[at + 1] !== NEWLINE)) elements += 1;
    // Brackets in strings count: at worst the file is merged by lines.
    if (OPENING.has(byte)) brackets += 1;
    else if (CLOSING.has(byte) && brackets > 0) brackets -= 1;
    if (byte === NEWLINE) line = at + 1;
    else if (!BLOCKS.has(byte)) line = null;
    if (brackets > MAX_OPEN || (line !== null && at - line > MAX_OPEN)) {
      throw new DataError("It is nested too deeply.");
    }
  }
  if (elements > MAX_ELEMENTS) throw new DataError("It has more than 200 000 lines and elements.");
  try {
    return decoder.decode(bytes);
  } catch {
    throw new DataError("It is not UTF-8 text.");
  }
}

/** The parsers to try, by the file's name; files of other names tell by their content. */
function formatsOf(name: string): Parse[] {
  if (/\.ya?ml$/i.test(name)) return [parseYaml];
  if (/\.toml$/i.test(name)) return [parseToml];
  if (/\.json$/i.test(name)) return [parseJson];
  return [parseJson, parseToml, parseYaml];
}

function mergeTexts(
  formats: readonly Parse[],
  base: string | null,
  target: string,
  source: string,
): string {
  const mark = target.startsWith("\uFEFF") ? "\uFEFF" : "";
  const [into, hasNewline] = withNewline(target.slice(mark.length));
  const [from] = withNewline(source.replace(/^\uFEFF/, ""));
  const before = base === null ? null : withNewline(base.replace(/^\uFEFF/, ""))[0];
  const parsed = parseAll(formats, { base: before, target: into, source: from });
  const { ids } = parsed;
  const merged = mergeTrees(parsed.base, parsed.target, parsed.source, ids);
  if (merged === parsed.target) return target;
  const text = textOf(merged);
  // The text is spliced from both sides: it must have the merged data.
  if (!hasData(parsed.parse, text, merged, ids)) {
    throw new DataError("The merged data cannot be written in the form of the file.");
  }
  return `${mark}${hasNewline ? text : text.replace(/\r?\n$/, "")}`;
}

function hasData(parse: Parse, text: string, { id }: Node, ids: NodeIds): boolean {
  try {
    return parse(text, ids).id === id;
  } catch (error) {
    if (error instanceof DataError) return false;
    throw error;
  }
}

/** Parses all versions by the first format that fits them. */
function parseAll(
  formats: readonly Parse[],
  { base, target, source }: { base: string | null; target: string; source: string },
) {
  for (const [at, parse] of formats.entries()) {
    const ids = new NodeIds();
    try {
      return {
        parse,
        ids,
        target: parse(target, ids),
        source: parse(asIn(target, source, parse === parseJson), ids),
        base: base === null ? null : parse(base, ids),
      };
    } catch (error) {
      if (!(error instanceof DataError) || formats.length === 1) throw error;
      if (at === formats.length - 1) throw new DataError("It is not valid JSON, TOML or YAML.");
    }
  }
  throw new TypeError("no format");
}

/** Returns the text with a final newline, and whether it had one. */
function withNewline(text: string): [string, boolean] {
  if (text === "") return ["\n", true];
  return text.endsWith("\n") ? [text, true] : [`${text}${endOfLine(text)}`, false];
}

const endOfLine = (text: string): string => (text.includes("\r\n") ? "\r\n" : "\n");

/**
 * Returns the source's text with the target's line ends and, for JSON, its indentation. Newlines of JSON
 * are never part of a value.
 * @throws DataError if values may contain newlines and the line ends differ
 */
function asIn(target: string, source: string, isJson: boolean): string {
  const [wanted, found] = [endOfLine(target), endOfLine(source)];
  if (!isJson) {
    if (wanted !== found) throw new DataError("The sides have different line ends.");
    return source;
  }
  const [unit, other] = [indentOf(target), indentOf(source)];
  const lines = source.split(/\r?\n/);
  if (unit === null || other === null || unit === other) return lines.join(wanted);
  return lines
    .map((line) => {
      const [space = ""] = /^[ \t]*/.exec(line) ?? [];
      const levels = Math.floor(space.length / other.length);
      return `${unit.repeat(levels)}${line.slice(space.length)}`;
    })
    .join(wanted);
}

/** The indentation of the first indented line. */
function indentOf(text: string): string | null {
  return /\n([ \t]+)\S/.exec(text)?.[1] ?? null;
}
