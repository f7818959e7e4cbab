import type { ReactElement } from "react";
import { CommitDot, type DotKind } from "./commit-dot.js";
import type { GraphRow } from "./lanes.js";

/** Size of a row's graph, in pixels. */
export interface GraphSize {
  /** Height of a row. */
  height: number;
  /** Width of all columns. */
  width: number;
  laneWidth: number;
}

/**
 * Returns the size of a row's graph. Columns move closer if there are many, which leaves room for the
 * text.
 * @param room width of all columns in pixels, as long as they stay distinguishable
 * @param lines lines of text in a row
 */
export function sizeOf(lanes: number, room: number, lines: 1 | 2): GraphSize {
  const laneWidth = Math.min(16, Math.max(5, Math.floor(room / lanes)));
  return { height: lines === 2 ? 52 : 32, width: lanes * laneWidth + margin * 2, laneWidth };
}

/** Maximum drawing distance from the center of a column; pixels. */
const margin = 5;

const colors = [
  "text-lane-1",
  "text-lane-2",
  "text-lane-3",
  "text-lane-4",
  "text-lane-5",
  "text-lane-6",
] as const;
const colorOf = (lane: number): string => colors[lane % colors.length] ?? colors[0];

/** Returns the path of a line between two columns, over half a row. */
function curve(x1: number, x2: number, top: number, bottom: number): string {
  if (x1 === x2) return `M${x1} ${top}V${bottom}`;
  const half = (top + bottom) / 2;
  return `M${x1} ${top}C${x1} ${half} ${x2} ${half} ${x2} ${bottom}`;
}

interface GraphLinesProps {
  row: GraphRow;
  kind: DotKind;
  size: GraphSize;
}

/** A row's part of the graph; the text beside it has the same information. */
export function GraphLines({ row, kind, size }: GraphLinesProps): ReactElement {
  const { lane, into, out, passing } = row;
  const { width, height, laneWidth } = size;
  const middle = height / 2;
  const xOf = (at: number): number => at * laneWidth + laneWidth / 2 + margin;
  return (
    <svg
      aria-hidden="true"
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      className="block shrink-0"
    >
      <g fill="none" stroke="currentColor" strokeWidth="2">
        {passing.map((at) => (
          <path
            key={`passing ${at}`}
            d={curve(xOf(at), xOf(at), 0, height)}
            className={colorOf(at)}
          />
        ))}
        {into.map((at) => (
          <path
            key={`into ${at}`}
            d={curve(xOf(at), xOf(lane), 0, middle)}
            className={colorOf(at)}
          />
        ))}
        {out.map((at) => (
          <path
            key={`out ${at}`}
            d={curve(xOf(lane), xOf(at), middle, height)}
            className={colorOf(at)}
          />
        ))}
      </g>
      <g className={colorOf(lane)}>
        <CommitDot kind={kind} x={xOf(lane)} y={middle} />
      </g>
    </svg>
  );
}
