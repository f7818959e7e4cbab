/** The three forms of a command's result: text for people, JSON, or ids alone. */
import { styled } from "./style.js";
import { table } from "./table.js";
import { plain, shownValue } from "./values.js";

export interface Format {
  json?: boolean | undefined;
  quiet?: boolean | undefined;
}

export type Row = Record<string, unknown>;

/** Ends quietly when the reader has gone, as `omoi agent list | head` does. */
export function endWithReader(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(process.exitCode ?? 0);
  });
}

export function writeLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Says on standard error what a person who watches wants to know. */
export function note(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`${text}\n`);
}

/** Says on standard error what changes the meaning of the output. */
export function warn(text: string): void {
  process.stderr.write(`omoi: ${text}\n`);
}

export function printJson(data: unknown): void {
  const text = JSON.stringify(data, null, 2);
  // JSON escapes only the first control characters.
  writeLine(process.stdout.isTTY ? plain(text, "field") : text);
}

/** Prints a list: a table, JSON, or one id a line. */
export function printRows(rows: readonly Row[], columns: readonly string[], format: Format): void {
  if (format.json === true) return printJson(rows);
  if (format.quiet === true) {
    for (const row of rows) writeLine(idOf(row));
    return;
  }
  if (rows.length === 0) return note("None.");
  writeLine(
    table(
      columns.map(titleOf),
      rows.map((row) => columns.map((column) => shownValue(column, valueAt(row, column), "cell"))),
    ),
  );
}

/** Prints a resource: its fields, JSON, or its id. */
export function printItem(item: Row, format: Format): void {
  if (format.json === true) return printJson(item);
  if (format.quiet === true) return writeLine(idOf(item));
  const fields = Object.entries(item).filter(([, value]) => value !== null && value !== undefined);
  const width = Math.max(0, ...fields.map(([name]) => titleOf(name).length));
  for (const [name, value] of fields) {
    const [first = "", ...more] = shownValue(name, value, "field").split("\n");
    writeLine(`${styled("dim", titleOf(name).padEnd(width))}  ${first}`);
    for (const line of more) writeLine(`${" ".repeat(width)}  ${line}`);
  }
}

/** The value of a column, such as `actor.name`. */
function valueAt(row: Row, column: string): unknown {
  return column
    .split(".")
    .reduce<unknown>((value, name) => (value as Row | null | undefined)?.[name], row);
}

/** "last_used_at" as a heading; "actor.name" is "Actor". */
function titleOf(name: string): string {
  const words = name.replace(/(_(at|id|usd)|\.name)$/, "").replaceAll(/[_.]/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The value by which a script names a row. */
function idOf(row: Row): string {
  const id = row["id"] ?? row["agent_id"] ?? row["commit_sha"] ?? row["name"] ?? row["slug"];
  return typeof id === "string" ? id : JSON.stringify(row);
}
