/*
 * Formats numbers and times as `Intl` does in "en-US", without its cost: creating a page's first `Intl`
 * format takes as long as rendering a small page.
 */

/** "1234567.50" as "1,234,567.5" */
function grouped(digits: string): string {
  const [whole = "", decimals] = digits.split(".");
  const groups = whole.replaceAll(/\d(?=(?:\d{3})+$)/g, "$&,");
  return decimals === undefined ? groups : `${groups}.${decimals}`;
}

function withoutZeros(digits: string): string {
  return digits.replace(/\.?0+$/, "");
}

/** One decimal; below one two significant digits, so that small values are never shown as zero. */
export function formatNumber(value: number): string {
  if (value === 0 || Math.abs(value) >= 1) return grouped(withoutZeros(value.toFixed(1)));
  const decimals = Math.min(100, 1 - Math.floor(Math.log10(Math.abs(value))));
  return withoutZeros(Number(value.toPrecision(2)).toFixed(decimals));
}

/** "1,234.50": money in the smaller unit, too. */
export function formatMoney(value: number): string {
  return grouped(value.toFixed(2));
}

/** "1 file", "2 files". */
export function countOf(count: number, one: string, many = `${one}s`): string {
  return `${formatNumber(count)} ${count === 1 ? one : many}`;
}

/** Formats hours in practical units: "3 s", "7 min", "1 h 20 min", "45 h". The CSV has exact figures. */
export function formatHours(hours: number): string {
  const seconds = Math.round(hours * 3600);
  if (seconds < 60) return hours > 0 ? `${Math.max(1, seconds)} s` : "0 h";
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const rest = minutes % 60;
  return `${grouped(String(Math.floor(minutes / 60)))} h${rest > 0 ? ` ${rest} min` : ""}`;
}

const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];

/** "512 bytes", "1.5 MiB": in the largest unit in which it is at least one. */
export function formatBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${formatNumber(value)} ${units[unit]}`;
}
