import type { ReactElement, ReactNode } from "react";
import { lazy } from "../../../../hooks/lazy.js";
import { cleanLine, segmentsOf, type Segment } from "./ansi.js";
import type { LogLine } from "./log-lines.js";

const clock = lazy(
  () =>
    new Intl.DateTimeFormat("en-US", {
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      fractionalSecondDigits: 3,
      hourCycle: "h23",
    }),
);

const marks: Record<LogLine["stream"], readonly [label: string, look: string]> = {
  stdout: ["", "border-transparent"],
  stderr: ["err", "border-log-bad"],
  system: ["omoi", "border-log-muted"],
};

interface LogRowProps {
  line: LogLine;
  /** The search pattern. */
  pattern: RegExp | null;
  isCurrent: boolean;
  withTime: boolean;
  isWrapped: boolean;
}

/** One line: its number, time and stream, which are excluded from copying, and its text. */
export function LogRow(props: LogRowProps): ReactElement {
  const { line, pattern, isCurrent, withTime, isWrapped } = props;
  const [label, look] = marks[line.stream];
  return (
    <div
      className={`flex min-w-full border-l-2 pr-3 leading-5 ${look} ${isCurrent ? "bg-log-current" : ""}`}
    >
      <span className="w-14 shrink-0 pr-2 text-right text-log-muted select-none">
        {line.number + 1}
      </span>
      {withTime && (
        <time dateTime={line.at} className="shrink-0 pr-3 text-log-muted select-none">
          {clock().format(new Date(line.at))}
        </time>
      )}
      <span
        className={`w-10 shrink-0 select-none ${line.stream === "stderr" ? "text-log-bad" : "text-log-muted"}`}
      >
        {label}
      </span>
      <span
        className={
          isWrapped ? "min-w-0 whitespace-pre-wrap [overflow-wrap:anywhere]" : "whitespace-pre"
        }
      >
        <bdi>{renderParts(segmentsOf(line.carried, cleanLine(line.raw)), line.text, pattern)}</bdi>
      </span>
    </div>
  );
}

/** Splits the segments at the bounds of the matches. */
function renderParts(
  segments: readonly Segment[],
  text: string,
  pattern: RegExp | null,
): ReactNode {
  const hits = pattern === null ? [] : [...text.matchAll(pattern)].slice(0, 100);
  const ranges = hits.map((hit) => [hit.index, hit.index + hit[0].length] as const);
  const parts: ReactNode[] = [];
  let offset = 0;
  for (const segment of segments) {
    const end = offset + segment.text.length;
    const cuts = [
      ...new Set([offset, ...ranges.flat().filter((at) => at > offset && at < end), end]),
    ];
    for (let at = 0; at + 1 < cuts.length; at += 1) {
      const [from, to] = [cuts[at] as number, cuts[at + 1] as number];
      const piece = segment.text.slice(from - offset, to - offset);
      const isHit = ranges.some(([start, stop]) => start <= from && to <= stop);
      parts.push(
        isHit ? (
          <mark key={from} className="bg-log-mark text-log">
            {piece}
          </mark>
        ) : (
          <span key={from} style={styleOf(segment)}>
            {piece}
          </span>
        ),
      );
    }
    offset = end;
  }
  return parts;
}

function styleOf(segment: Segment): Record<string, string> {
  return {
    ...(segment.color === undefined ? {} : { color: segment.color }),
    ...(segment.background === undefined ? {} : { backgroundColor: segment.background }),
    ...(segment.isBold ? { fontWeight: "600" } : {}),
    ...(segment.isItalic ? { fontStyle: "italic" } : {}),
    ...(segment.isUnderlined ? { textDecoration: "underline" } : {}),
  };
}
