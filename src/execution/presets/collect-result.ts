import type { PresetName } from "#shared/execution/run-choices.js";
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
  /** The end of the output, as a ring: a program may write any number of small chunks. */
  const ring = Buffer.alloc(TAIL_BYTES);
  let bytes = 0;
  return {
    add(chunk) {
      const tail = chunk.subarray(-TAIL_BYTES);
      const at = (bytes + chunk.length - tail.length) % TAIL_BYTES;
      const copied = tail.copy(ring, at);
      tail.copy(ring, 0, copied);
      bytes += chunk.length;
    },
    read() {
      const isWhole = bytes <= TAIL_BYTES;
      const at = bytes % TAIL_BYTES;
      const tail = isWhole
        ? ring.subarray(0, bytes)
        : Buffer.concat([ring.subarray(at), ring.subarray(0, at)]);
      const text = tail.toString("utf8");
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
