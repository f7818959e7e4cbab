import type { RequestHead } from "../../access/request-head.js";
import { Content } from "./answer.js";

type Cell = string | number | null;

/**
 * Whether the caller asks for CSV: by `?format=csv`, which works in a link, or by an `Accept` header
 * that names `text/csv` and does not prefer JSON (RFC 9110, section 12.5.1).
 */
export function wantsCsv(
  request: Pick<RequestHead, "headers">,
  format: "json" | "csv" | undefined,
): boolean {
  if (format !== undefined) return format === "csv";
  const accept = request.headers.accept ?? "";
  const wish = qualityOf(accept, "text/csv");
  return wish > 0 && wish >= qualityOf(accept, "application/json");
}

function qualityOf(accept: string, type: string): number {
  for (const range of accept.split(",")) {
    const [name, ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    if (name !== type) continue;
    const quality = parameters.find((parameter) => parameter.startsWith("q="));
    return quality === undefined ? 1 : Number(quality.slice(2)) || 0;
  }
  return 0;
}

/**
 * Cells that a spreadsheet would run as a formula. An apostrophe turns them into text (OWASP, *CSV
 * injection*).
 */
const formula = /^[=+\-@\t\r]/;

function csvCell(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell === "number") return String(cell);
  const text = formula.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Formats a table as CSV (RFC 4180): a header, CRLF after each line. */
export function csvOf(columns: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return [columns, ...rows].map((row) => `${row.map(csvCell).join(",")}\r\n`).join("");
}

/** Returns a table as a CSV file to download. */
export function csvFile(
  name: string,
  columns: readonly string[],
  rows: readonly (readonly Cell[])[],
): Content<"text/csv"> {
  return new Content("text/csv", csvOf(columns, rows), {
    headers: { "content-disposition": `attachment; filename="${name}.csv"` },
  });
}
