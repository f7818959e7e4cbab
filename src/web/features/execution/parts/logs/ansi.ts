import { type Color, createAnsiSequenceParser, createColorPalette } from "ansi-sequence-parser";
import { visibleLines } from "../../../../ui/text/plain-text.js";

/*
 * Terminal output (ECMA-48). Only sequences for colors and styles are kept; titles, links, clipboard
 * access, cursor movement and other sequences that could mislead are removed.
 */
// eslint-disable-next-line no-control-regex -- matches control characters on purpose
const strings =
  /(?:\u001b[\]PX^_]|[\u009d\u0090\u0098\u009e\u009f])[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c|$)/g;
// eslint-disable-next-line no-control-regex -- as above
const controls = /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]/g;
// eslint-disable-next-line no-control-regex -- as above
const escapes = /\u001b[ -/]*[0-Z\\^-~]/g;
// eslint-disable-next-line no-control-regex -- as above
const style = /\u001b\[[\d;]*m/;
// eslint-disable-next-line no-control-regex -- as above
const styles = /(\u001b\[[\d;]*m)/;

/**
 * Removes all terminal sequences except colors. Of text overwritten after a carriage return, as by a
 * progress bar, the last version remains; other control characters are made visible.
 */
export function cleanLine(raw: string): string {
  const line = raw
    .replaceAll(strings, "")
    .replaceAll(controls, (sequence) => (style.test(sequence) ? sequence : ""))
    .replaceAll(escapes, (sequence) => (sequence === "\u001b[" ? sequence : ""))
    .replace(/\r+$/, "");
  const written = line.slice(line.lastIndexOf("\r") + 1);
  return written
    .split(styles)
    .map((part, at) => (at % 2 === 1 ? part : visibleLines(part)))
    .join("");
}

/** Returns the visible text of a cleaned line. */
export function textOf(clean: string): string {
  return clean
    .split(styles)
    .filter((_, at) => at % 2 === 0)
    .join("");
}

/** Returns the color sequences still active after a line; none if they are unreasonably long. */
export function carriedStyles(line: string): string {
  const found = line.replaceAll(strings, "").split(styles);
  let on = "";
  for (let at = 1; at < found.length; at += 2) {
    const sequence = found[at] as string;
    on = /\[(?:0*|0*;.*)m$/.test(sequence) ? sequence : on + sequence;
  }
  // eslint-disable-next-line no-control-regex -- as above
  return /^\u001b\[0*m$/.test(on) || on.length > 200 ? "" : on;
}

export interface Segment {
  text: string;
  color?: string;
  background?: string;
  isBold: boolean;
  isDim: boolean;
  isItalic: boolean;
  isUnderlined: boolean;
}

/**
 * Background and text color of the log, equal in light and dark mode: `--color-log` and
 * `--color-on-log`.
 */
const paper = "#15161a";
const ink = "#e4e4ea";

const palette = createColorPalette({
  black: "#767986",
  red: "#ff7b7b",
  green: "#58c983",
  yellow: "#e8b75c",
  blue: "#7ba7ff",
  magenta: "#e38bd6",
  cyan: "#56c8d8",
  white: "#d6d6dd",
  brightBlack: "#8f92a0",
  brightRed: "#ff9d9d",
  brightGreen: "#86e0a6",
  brightYellow: "#f5d08a",
  brightBlue: "#a5c4ff",
  brightMagenta: "#f0b1e6",
  brightCyan: "#8be0ec",
  brightWhite: "#ffffff",
});

/** Splits a cleaned line into segments by style; joined, they are its `textOf`. */
export function segmentsOf(carried: string, clean: string): Segment[] {
  return createAnsiSequenceParser()
    .parse(carried + clean)
    .map(({ value, foreground, background, decorations }) => {
      const isReversed = decorations.has("reverse");
      const front = isReversed ? background : foreground;
      const back = isReversed ? (foreground ?? ink) : background;
      const under = back === null ? paper : colorOf(back);
      return {
        text: value,
        ...(front !== null || back !== null
          ? {
              color: readableColor(
                front === null ? (isReversed ? paper : ink) : colorOf(front),
                under,
              ),
            }
          : {}),
        ...(back === null ? {} : { background: under }),
        isBold: decorations.has("bold"),
        isDim: decorations.has("dim"),
        isItalic: decorations.has("italic"),
        isUnderlined: decorations.has("underline"),
      };
    });
}

function colorOf(color: Color | string): string {
  return typeof color === "string" ? color : hexOf(palette.value(color));
}

/** Returns six hex digits; the text color if the input is invalid. */
function hexOf(color: string): string {
  if (/^#[0-9a-f]{6}$/i.test(color)) return color;
  const parts = color.match(/\d+/g)?.slice(0, 3).map(Number) ?? [];
  if (parts.length < 3) return ink;
  return `#${parts.map((part) => Math.min(255, part).toString(16).padStart(2, "0")).join("")}`;
}

function channels(hex: string): [number, number, number] {
  const value = Number.parseInt(hex.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

/** Relative luminance, WCAG 2.2. */
function luminance(hex: string): number {
  const [red, green, blue] = channels(hex).map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(left: string, right: string): number {
  const [high, low] = [luminance(left), luminance(right)].toSorted((a, b) => b - a) as [
    number,
    number,
  ];
  return (high + 0.05) / (low + 0.05);
}

/**
 * Moves a color towards white or black until it has enough contrast, so that text cannot be hidden by
 * its color.
 */
export function readableColor(color: string, under: string): string {
  const goal = contrast("#ffffff", under) >= contrast("#000000", under) ? 255 : 0;
  for (let share = 0; share < 1; share += 0.1) {
    const mixed = `#${channels(color)
      .map((part) =>
        Math.round(part + (goal - part) * share)
          .toString(16)
          .padStart(2, "0"),
      )
      .join("")}`;
    if (contrast(mixed, under) >= 4.5) return mixed;
  }
  return goal === 255 ? "#ffffff" : "#000000";
}
