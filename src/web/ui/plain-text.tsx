import { Fragment, type ReactElement } from "react";
import { lazy } from "../hooks/lazy.js";

/*
 * What agents and imported repositories wrote is shown as it is, and what would be invisible or would
 * reorder the line (control characters, bidirectional overrides, zero-width and tag characters) is
 * made visible, so that a text cannot look like another one. A joiner inside an emoji is left alone.
 */
const invisible =
  // eslint-disable-next-line no-control-regex -- control characters are what this looks for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;
// eslint-disable-next-line no-control-regex -- as above, with tab and line feed
const invisibleInLine =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

function nameOf(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}

/** The text with every invisible character written out, for titles, labels and options. */
export function visible(text: string): string {
  return text.replaceAll(invisibleInLine, (character) => `⟨${nameOf(character)}⟩`);
}

/** The same for many lines: tabs, line feeds and the CR of a CRLF stay. */
export function visibleLines(text: string): string {
  return text.replaceAll(invisible, (character, at: number) =>
    character === "\r" && text[at + 1] === "\n" ? character : `⟨${nameOf(character)}⟩`,
  );
}

/** It takes as long to make as a small page. */
const segmenter = lazy(() => new Intl.Segmenter());
/** Where the first character is one that nothing joins. */
const beginsPlainly = /^[ -~](?:[ -~]|$)/;

/** The first character as people count them, for a name's tile. */
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

export function PlainText({
  value,
  multiline = false,
  className = "",
}: PlainTextProps): ReactElement {
  const pattern = multiline ? invisible : invisibleInLine;
  const parts = value.split(pattern);
  const marks = value.match(pattern) ?? [];
  return (
    <bdi
      className={`${multiline ? "whitespace-pre-wrap" : ""} [overflow-wrap:anywhere] ${className}`}
    >
      {parts.map((part, index) => (
        // oxlint-disable-next-line react/no-array-index-key -- the parts of one text never move
        <Fragment key={index}>
          {part}
          {marks[index] !== undefined && (
            <span className="mx-px rounded-sm bg-warn-soft px-0.5 font-mono text-[0.85em] text-warn">
              {nameOf(marks[index])}
            </span>
          )}
        </Fragment>
      ))}
    </bdi>
  );
}
