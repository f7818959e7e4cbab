import { stripVTControlCharacters } from "node:util";
import { styled } from "./style.js";

const charactersOf = (text: string): string[] => Array.from(stripVTControlCharacters(text));

const widthOf = (text: string): number => charactersOf(text).length;

/** Formats rows as columns. On a terminal the widest column is shortened until each row has one line. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) =>
    Math.max(widthOf(title), ...rows.map((row) => widthOf(row[column] ?? ""))),
  );
  if (process.stdout.isTTY) {
    const room = (process.stdout.columns || 80) - 2 * (widths.length - 1);
    for (let over = sum(widths) - room; over > 0; over = sum(widths) - room) {
      const widest = widths.indexOf(Math.max(...widths));
      const next = Math.max(8, (widths[widest] ?? 0) - over);
      if (next === widths[widest]) break;
      widths[widest] = next;
    }
  }
  const line = (cells: readonly string[], style?: "dim"): string =>
    cells
      .map((cell, column) => {
        const text = fitted(cell, widths[column] ?? 0);
        return style ? styled(style, text) : text;
      })
      .join("  ")
      .trimEnd();
  return [line(header, "dim"), ...rows.map((row) => line(row))].join("\n");
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

function fitted(text: string, width: number): string {
  const over = widthOf(text) - width;
  if (over <= 0) return text + " ".repeat(-over);
  return `${charactersOf(text)
    .slice(0, width - 1)
    .join("")}…`;
}
