import type { DiffSide } from "../../../../code/parts/diffs/line-extension.js";

/** A line of a diff, on one side. */
export interface LinePlace {
  side: DiffSide;
  line: number;
}

const rowSelector = 'tr[data-state="diff"],tr[data-state="plain"]';

/** Returns the row of the viewer that shows a line; null while it is not drawn. */
export function rowAt(section: Element, { side, line }: LinePlace): HTMLTableRowElement | null {
  const number =
    section.querySelector(`[data-line-${side}-num="${line}"]`) ??
    section.querySelector(`td[data-side="${side}"] [data-line-num="${line}"]`);
  return number?.closest("tr") ?? null;
}

/** Returns the line of a row: its new one if it has one, or that of the wanted side. */
export function placeOf(row: Element, wanted?: DiffSide): LinePlace | null {
  const numberOf = (side: DiffSide): number => {
    const cell =
      row.querySelector(`[data-line-${side}-num]`) ??
      row.querySelector(`td[data-side="${side}"] [data-line-num]`);
    const { dataset } = (cell as HTMLElement | null) ?? {};
    const text =
      dataset?.[side === "old" ? "lineOldNum" : "lineNewNum"] ?? dataset?.["lineNum"] ?? "";
    return Number(text);
  };
  const sides: DiffSide[] = wanted === "old" ? ["old", "new"] : ["new", "old"];
  for (const side of sides) {
    const line = numberOf(side);
    if (line > 0) return { side, line };
  }
  return null;
}

/** Returns the row of a line of code around an element; null within other content. */
export function rowAround(element: Element): HTMLTableRowElement | null {
  const row = element.closest("tr");
  return row?.matches(rowSelector) ? row : null;
}

/** Returns the side of a diff in two columns on which an element is. */
export function sideAround(element: Element): DiffSide | undefined {
  const side = element.closest("td")?.getAttribute("data-side");
  return side === "old" || side === "new" ? side : undefined;
}

/** Returns the place of the next line (`by` 1) or the previous one among the drawn rows of a file. */
export function lineBeside(section: Element, from: LinePlace, by: 1 | -1): LinePlace | null {
  const rows = [...section.querySelectorAll(rowSelector)];
  const at = rows.indexOf(rowAt(section, from) ?? section);
  if (at === -1) return null;
  for (let index = at + by; rows[index]; index += by) {
    const place = placeOf(rows[index] as Element, isTwoSided(rows[index]) ? from.side : undefined);
    if (place && (place.line !== from.line || place.side !== from.side)) return place;
  }
  return null;
}

const isTwoSided = (row: Element | undefined): boolean =>
  row?.querySelector("td[data-side]") != null;

/** Marks the rows from one line to another of the same side; returns the last one. */
export function markRows(section: Element, from: number, place: LinePlace): Element | null {
  const kept = new Set<Element>();
  for (let line = from; line <= place.line; line += 1) {
    const row = rowAt(section, { side: place.side, line });
    if (row) kept.add(row);
  }
  for (const row of document.querySelectorAll("tr[data-current]")) if (!kept.has(row)) unmark(row);
  for (const row of kept) {
    if (row.getAttribute("data-current") !== place.side)
      row.setAttribute("data-current", place.side);
  }
  return rowAt(section, place);
}

export function unmarkRows(): void {
  for (const row of document.querySelectorAll("tr[data-current]")) unmark(row);
}

function unmark(row: Element): void {
  row.removeAttribute("data-current");
  row.removeAttribute("tabindex");
}

/** Returns the piece of a file that will show a line once it is near. */
export function pieceAt(section: Element, { side, line }: LinePlace): Element | null {
  for (const piece of section.querySelectorAll<HTMLElement>("[data-headless]")) {
    const [from = 0, to = 0] = (piece.dataset[side] ?? "").split("-").map(Number);
    if (line >= from && line <= to) return piece;
  }
  return null;
}
