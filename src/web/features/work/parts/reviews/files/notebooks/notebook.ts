/** Jupyter notebooks: their cells before and after a change. */
import { diffArrays } from "diff";

export interface Cell {
  kind: "code" | "markdown" | "raw";
  source: string;
  /** The outputs as text; of other media only their types. */
  outputs: string;
}

/** A cell before and after; null where it does not exist. */
export interface CellPair {
  before: Cell | null;
  after: Cell | null;
  /** Its number in the notebook, from 1. */
  number: number;
}

export interface NotebookChange {
  cells: CellPair[];
  /** The extension of the language's files, with its dot. */
  extension: string;
}

/** Larger notebooks are shown as text; characters. */
const maxLength = 8_000_000;
const maxCells = 2000;
/** Longer outputs are cut; characters. */
const maxOutput = 20_000;

/** Pairs the cells of two notebooks; null stands for a side without the file. Returns null for other files. */
export function compareNotebooks(
  before: string | null,
  after: string | null,
): NotebookChange | null {
  const [old, fresh] = [before, after].map((text) => (text === null ? emptyNotebook : read(text)));
  if (!old || !fresh) return null;
  return {
    cells: pairs(old.cells, fresh.cells),
    extension: fresh.extension ?? old.extension ?? ".py",
  };
}

interface Notebook {
  cells: (Cell & { key: string })[];
  extension: string | null;
}

const emptyNotebook: Notebook = { cells: [], extension: null };

function read(text: string): Notebook | null {
  if (text.length > maxLength) return null;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  const { cells, metadata } = asObject(parsed);
  if (!Array.isArray(cells) || cells.length > maxCells) return null;
  const extension = asObject(asObject(metadata)["language_info"])["file_extension"];
  return {
    cells: cells.map(readCell),
    extension: typeof extension === "string" && /^\.\w{1,10}$/.test(extension) ? extension : null,
  };
}

function readCell(value: unknown): Notebook["cells"][number] {
  const { cell_type, id, source, outputs } = asObject(value);
  const kind = cell_type === "markdown" || cell_type === "raw" ? cell_type : "code";
  const text = textOf(source);
  const shown = Array.isArray(outputs) ? outputs.slice(0, 100).map(outputText).join("\n") : "";
  return {
    kind,
    source: text,
    outputs: shown.slice(0, maxOutput),
    key: typeof id === "string" ? `id ${id}` : `${kind} ${text}`,
  };
}

function outputText(value: unknown): string {
  const { output_type, text, data, ename, evalue } = asObject(value);
  if (output_type === "stream") return textOf(text);
  if (output_type === "error") return `${textOf(ename)}: ${textOf(evalue)}`;
  const media = asObject(data);
  const others = Object.keys(media).filter((type) => type !== "text/plain");
  return [textOf(media["text/plain"]), ...others.map((type) => `[${type}]`)]
    .filter((line) => line !== "")
    .join("\n");
}

/** Joins text that notebooks store as a text or as a list of lines. */
function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  return Array.isArray(value)
    ? value.filter((line): line is string => typeof line === "string").join("")
    : "";
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

/** Cells with the same key are pairs; removed cells are the former ones of those added at their place. */
function pairs(old: Notebook["cells"], fresh: Notebook["cells"]): CellPair[] {
  const found: CellPair[] = [];
  let [oldAt, freshAt] = [0, 0];
  const take = (removed: number, added: number): void => {
    for (let index = 0; index < Math.max(removed, added); index += 1) {
      const before = index < removed ? (old[oldAt + index] ?? null) : null;
      const after = index < added ? (fresh[freshAt + index] ?? null) : null;
      const number = (after ? freshAt : oldAt) + index + 1;
      found.push({ before, after, number });
    }
    oldAt += removed;
    freshAt += added;
  };
  const keysOf = (cells: Notebook["cells"]): string[] => cells.map(({ key }) => key);
  let removed = 0;
  for (const part of diffArrays(keysOf(old), keysOf(fresh))) {
    const count = part.value.length;
    if (part.removed) {
      take(removed, 0);
      removed = count;
    } else if (part.added) {
      take(removed, count);
      removed = 0;
    } else {
      take(removed, 0);
      removed = 0;
      take(count, count);
    }
  }
  take(removed, 0);
  return found;
}
