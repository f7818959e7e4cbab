const tenths = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });
const twoDigits = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 2 });

/** One decimal; below one two significant digits, so that a little is never shown as nothing. */
export function formatNumber(value: number): string {
  return value !== 0 && Math.abs(value) < 1 ? twoDigits.format(value) : tenths.format(value);
}

/** "1 file", "2 files". */
export function countOf(count: number, one: string, many = `${one}s`): string {
  return `${formatNumber(count)} ${count === 1 ? one : many}`;
}

const fourDecimals = new Intl.NumberFormat("en-US", {
  minimumFractionDigits: 4,
  maximumFractionDigits: 4,
});

/** All four decimals that hours are counted with, for figures that are added up. */
export function formatHours(value: number): string {
  return fourDecimals.format(value);
}

const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];

/** "512 bytes", "1.5 MiB": in the unit in which it is at least one. */
export function formatBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${formatNumber(value)} ${units[unit]}`;
}
