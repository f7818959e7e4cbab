import { mergeData, type DataMerge } from "#git/merge/drivers/data/merge-data.js";

export interface Texts {
  base: string | null;
  target: string;
  source: string;
}

export function mergeTexts(name: string, { base, target, source }: Texts): DataMerge {
  return mergeData({
    name,
    base: base === null ? null : Buffer.from(base),
    target: Buffer.from(target),
    source: Buffer.from(source),
  });
}

/** The merged text, or the conflict's keys or the reason. */
export function outcome(name: string, texts: Texts): string | string[] {
  const merged = mergeTexts(name, texts);
  if (merged.result === "merged") return Buffer.from(merged.bytes).toString("utf8");
  return merged.result === "conflict" ? merged.keys : merged.reason;
}
