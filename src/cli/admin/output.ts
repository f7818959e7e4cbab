import { ConfigError } from "#shared/node/config-error.js";
import { EmbeddedPostgresError } from "#server/db/embedded/embedded.js";
import { AppError } from "#server/errors.js";
import { FailedError, UsageError } from "../output/failures.js";

/** Exit codes of the command line. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, notFound: 4, conflict: 5 } as const;

/** Prints JSON for programs, or text for people. */
export function print(isJson: boolean | undefined, data: unknown, text: () => string): void {
  process.stdout.write(isJson === true ? `${JSON.stringify(data, null, 2)}\n` : `${text()}\n`);
}

/** Explains on standard error why a command failed, and returns its exit code. */
export function reportFailure(error: unknown): number {
  // Interrupted at a question.
  if (error instanceof FailedError && error.message === "") return error.exitCode;
  const isExpected =
    error instanceof AppError ||
    error instanceof ConfigError ||
    error instanceof UsageError ||
    error instanceof EmbeddedPostgresError;
  const { message, stack } = error as Error;
  const code = error instanceof AppError ? ` (${error.code})` : "";
  process.stderr.write(`omoi: ${isExpected ? message + code : (stack ?? String(error))}\n`);
  if (error instanceof UsageError) return exitCodes.usage;
  if (!(error instanceof AppError)) return exitCodes.failed;
  if (error.status === 404) return exitCodes.notFound;
  return error.status === 409 ? exitCodes.conflict : exitCodes.failed;
}

/** Formats rows as columns, each as wide as its widest cell. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  return [header, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Formats a time for display: `2026-11-26 21:30 UTC`. */
export function shownTime(time: string | null): string {
  return time === null ? "never" : `${time.slice(0, 10)} ${time.slice(11, 16)} UTC`;
}

/** Formats a number of bytes for display: `12.3 MiB`. */
export function shownBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const unit = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  const value = bytes / 1024 ** unit;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
