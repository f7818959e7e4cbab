import type { PresetName } from "#shared/preset-names.js";
import type { Masker } from "../logs/mask-secrets.js";
import { definitionOf } from "./presets.js";

/** Maximum length of the output's end that is searched for a result, in bytes. */
const TAIL_BYTES = 256 * 1024;
/** Maximum length of a result in bytes of UTF-8. */
const RESULT_BYTES = 16 * 1024;

export interface ResultCollector {
  /** Adds a chunk of the standard output. */
  add(chunk: Buffer): void;
  /** Returns the masked final message of the program, or null. */
  read(): string | null;
}

/** Collects the end of a run's output, from which its preset reads the result. */
export function collectResult(preset: PresetName | null, masker: Masker): ResultCollector | null {
  const definition = definitionOf(preset);
  if (definition === undefined) return null;
  let chunks: Buffer[] = [];
  let bytes = 0;
  let isCut = false;
  return {
    add(chunk) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes <= 2 * TAIL_BYTES) return;
      const tail = Buffer.concat(chunks).subarray(-TAIL_BYTES);
      // A copy, so that the rest is freed.
      chunks = [Buffer.from(tail)];
      bytes = TAIL_BYTES;
      isCut = true;
    },
    read() {
      const all = Buffer.concat(chunks);
      const text = all.subarray(-TAIL_BYTES).toString("utf8");
      const isWhole = !isCut && all.length <= TAIL_BYTES;
      // The first line may lack its beginning.
      const result = definition.readResult(isWhole ? text : text.slice(text.indexOf("\n") + 1));
      return result === null ? null : cut(masker.mask(result.replaceAll("\u0000", "")));
    },
  };
}

/** Cuts a text to the maximum length, without a half character at its end. */
function cut(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= RESULT_BYTES) return bytes.toString("utf8");
  const mark = "…";
  const kept = bytes.subarray(0, RESULT_BYTES - Buffer.byteLength(mark)).toString("utf8");
  return kept.replace(/\uFFFD{1,3}$/, "") + mark;
}
