import { Fragment, type ReactElement } from "react";
import { lazy } from "../../hooks/lazy.js";

/*
 * Text of agents and imported repositories is untrusted. Characters that are invisible or reorder a
 * line (control characters, bidirectional overrides, zero-width and tag characters) are written out, so
 * that no text can imitate another. Joiners inside emoji are kept.
 */
const invisible =
  // eslint-disable-next-line no-control-regex -- matches control characters on purpose
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;
// eslint-disable-next-line no-control-regex -- as above, with tab and line feed
const invisibleInLine =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

function nameOf(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}

/** Writes out invisible characters, for titles, labels and options. */
export function visible(text: string): string {
  return text.replaceAll(invisibleInLine, (character) => `⟨${nameOf(character)}⟩`);
}

/** The same for multi-line text: tabs, line feeds and the CR of a CRLF are kept. */
export function visibleLines(text: string): string {
  return text.replaceAll(invisible, (character, at: number) =>
    character === "\r" && text[at + 1] === "\n" ? character : `⟨${nameOf(character)}⟩`,
  );
}

/** Creating it takes as long as rendering a small page. */
const segmenter = lazy(() => new Intl.Segmenter());
/** Whether the first character is a complete grapheme. */
const beginsPlainly = /^[ -~](?:[ -~]|$)/;

/** Returns the first grapheme of a name, for its tile. */
export function initialOf(name: string): string {
  if (beginsPlainly.test(name)) return name[0] as string;
  for (const { segment } of segmenter().segment(visible(name))) return segment;
  return "";
}

interface PlainTextProps {
  value: string;
  /** Keeps line breaks and tabs. */
  multiline?: boolean;
  className?: string;
}

/** Marks in one text; what follows the last one is written out without them. */
const mostMarks = 200;

export function PlainText({
  value,
  multiline = false,
  className = "",
}: PlainTextProps): ReactElement {
  return (
    <bdi
      className={`${multiline ? "whitespace-pre-wrap" : ""} [overflow-wrap:anywhere] ${className}`}
    >
      {partsOf(value, multiline).map(({ text, mark }, index) => (
        // oxlint-disable-next-line react/no-array-index-key -- the parts of a text never move
        <Fragment key={index}>
          {text}
          {mark !== "" && (
            <span className="mx-px rounded-sm bg-warn-soft px-0.5 font-mono text-[0.85em] text-warn">
              {mark}
            </span>
          )}
        </Fragment>
      ))}
    </bdi>
  );
}

/** Splits a text after each run of invisible characters, with the name of the run. */
function partsOf(value: string, multiline: boolean): { text: string; mark: string }[] {
  const parts: { text: string; mark: string }[] = [];
  let end = 0;
  let run = "";
  let runEnd = 0;
  for (const { 0: character, index } of value.matchAll(multiline ? invisible : invisibleInLine)) {
    const last = parts.at(-1);
    if (last && index === runEnd && character === run) {
      last.mark = repeated(last.mark);
    } else {
      if (parts.length === mostMarks) break;
      parts.push({ text: value.slice(end, index), mark: nameOf(character) });
      run = character;
    }
    runEnd = end = index + character.length;
  }
  const rest = value.slice(end);
  const isCut = parts.length === mostMarks;
  parts.push({
    text: isCut ? (multiline ? visibleLines(rest) : visible(rest)) : rest,
    mark: "",
  });
  return parts;
}

/** "U+200B" as "U+200B ×2", and that as "U+200B ×3". */
function repeated(mark: string): string {
  const [name, times = "1"] = mark.split(" ×");
  return `${name} ×${Number(times) + 1}`;
}
