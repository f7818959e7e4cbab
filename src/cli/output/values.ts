/** Values of the API as text. Agents write many of them: what could steer a terminal is written out. */
import { styled, type Style } from "./style.js";

const statusStyles: Record<string, Style> = {
  active: "green",
  running: "green",
  working: "green",
  ready: "green",
  succeeded: "green",
  merged: "green",
  clean: "green",
  failed: "red",
  lost: "red",
  rejected: "red",
  needs_you: "red",
  revoked: "red",
  queued: "yellow",
  waiting_for_permission: "yellow",
  timed_out: "red",
  archived: "dim",
  idle: "dim",
  stopped: "dim",
  closed: "dim",
};

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/;

/** Formats a value. In a cell it has one line. */
export function shownValue(name: string, value: unknown, place: "cell" | "field"): string {
  if (value === null || value === undefined) return place === "cell" ? "-" : "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return name.endsWith("_usd") ? `$${value}` : String(value);
  if (typeof value === "string") {
    if (time.test(value)) return shownTime(value, place);
    const text = plain(value, place);
    const style = /status|state/.test(name) ? statusStyles[value] : undefined;
    return style ? styled(style, text) : text;
  }
  if (Array.isArray(value)) {
    if (value.every((item) => typeof item === "string")) {
      return plain(value.join(place === "cell" ? " " : ", "), place) || "-";
    }
    if (place === "cell") return String(value.length);
  }
  if (Array.isArray(value)) return value.map((item) => `- ${partsOf(item)}`).join("\n") || "-";
  const { name: title, title: other } = value as Record<string, unknown>;
  const label = title ?? other;
  return place === "cell" && typeof label === "string" ? plain(label) : partsOf(value);
}

/** An object in one line: "agents 2, workspaces 1". */
function partsOf(value: unknown): string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return plain(typeof value === "string" ? value : JSON.stringify(value));
  }
  const parts = Object.entries(value).filter(([, part]) => part !== null);
  const shown = parts.map(
    ([name, part]) => `${name.replaceAll("_", " ")} ${shownPart(name, part)}`,
  );
  return plain(shown.join(", ")) || "-";
}

const shownPart = (name: string, part: unknown): string =>
  typeof part === "object" ? JSON.stringify(part) : shownValue(name, part, "cell");

/** Relative, as in "5 min ago"; a field that is not on a terminal has the exact time. */
function shownTime(value: string, place: "cell" | "field"): string {
  if (place === "field" && !process.stdout.isTTY) return value;
  const seconds = Math.round((Date.now() - Date.parse(value)) / 1000);
  const [amount, unit] = largest(Math.abs(seconds));
  if (unit === "s" && amount < 5) return "now";
  return seconds >= 0 ? `${amount} ${unit} ago` : `in ${amount} ${unit}`;
}

/** A duration of seconds: "2 min 5 s". */
export function shownSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

function largest(seconds: number): [number, string] {
  if (seconds < 60) return [seconds, "s"];
  if (seconds < 3600) return [Math.floor(seconds / 60), "min"];
  if (seconds < 86_400) return [Math.floor(seconds / 3600), "h"];
  return [Math.floor(seconds / 86_400), "d"];
}

// eslint-disable-next-line no-control-regex -- matches control characters on purpose
const steering =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;

/** Writes out control characters, escape sequences and characters that reorder a line. */
export function plain(text: string, place: "cell" | "field" = "cell"): string {
  const line =
    place === "cell" ? text.replaceAll(/\s+/g, " ").trim() : text.replaceAll("\r\n", "\n");
  return line.replaceAll(
    steering,
    (character) =>
      `<U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}>`,
  );
}
