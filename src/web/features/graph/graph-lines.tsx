import type { ReactElement } from "react";
import { CommitDot, type DotKind } from "./commit-dot.js";
import type { GraphRow } from "./lanes.js";

export const rowHeight = 32;
const laneWidth = 16;
const middle = rowHeight / 2;

const colors = [
  "text-lane-1",
  "text-lane-2",
  "text-lane-3",
  "text-lane-4",
  "text-lane-5",
  "text-lane-6",
] as const;
const colorOf = (lane: number): string => colors[lane % colors.length] ?? colors[0];

const xOf = (lane: number): number => lane * laneWidth + laneWidth / 2 + 2;
export const widthOf = (lanes: number): number => lanes * laneWidth + 4;

/** A line from one column to another, over a half of the row. */
function curve(from: number, to: number, top: number, bottom: number): string {
  const [x1, x2] = [xOf(from), xOf(to)];
  if (x1 === x2) return `M${x1} ${top}V${bottom}`;
  const half = (top + bottom) / 2;
  return `M${x1} ${top}C${x1} ${half} ${x2} ${half} ${x2} ${bottom}`;
}

interface GraphLinesProps {
  row: GraphRow;
  kind: DotKind;
  lanes: number;
}

/** A row's part of the picture; what it says is written beside it. */
export function GraphLines({ row, kind, lanes }: GraphLinesProps): ReactElement {
  const { lane, into, out, passing } = row;
  const width = widthOf(lanes);
  return (
    <svg
      aria-hidden="true"
      width={width}
      height={rowHeight}
      viewBox={`0 0 ${width} ${rowHeight}`}
      className="block shrink-0"
    >
      <g fill="none" stroke="currentColor" strokeWidth="2">
        {passing.map((at) => (
          <path key={`passing ${at}`} d={curve(at, at, 0, rowHeight)} className={colorOf(at)} />
        ))}
        {into.map((at) => (
          <path key={`into ${at}`} d={curve(at, lane, 0, middle)} className={colorOf(at)} />
        ))}
        {out.map((at) => (
          <path key={`out ${at}`} d={curve(lane, at, middle, rowHeight)} className={colorOf(at)} />
        ))}
      </g>
      <g className={colorOf(lane)}>
        <CommitDot kind={kind} x={xOf(lane)} y={middle} />
      </g>
    </svg>
  );
}
