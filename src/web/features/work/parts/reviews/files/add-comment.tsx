import { type PointerEvent, type ReactElement, type RefObject, useEffect, useState } from "react";
import { Icon } from "../../../../../ui/actions/icons.js";
import { type LinePlace, placeOf, rowAround, sideAround } from "../keys/line-rows.js";
import { useReviewScope } from "../review-scope.js";
import { linesText } from "../threads/talk.js";

interface Spot {
  place: LinePlace;
  /** Pixels within the frame. */
  top: number;
  left: number;
}

/** The "+" at the line under the pointer: a click comments on it, dragging takes a range of lines. */
export function AddComment({
  path,
  frame,
}: {
  path: string;
  frame: RefObject<HTMLDivElement | null>;
}): ReactElement | null {
  const { comment, reason } = useReviewScope();
  const [spot, setSpot] = useState<Spot | null>(null);
  const [from, setFrom] = useState<LinePlace | null>(null);
  useEffect(() => {
    const element = frame.current;
    if (!element || reason !== undefined) return undefined;
    const over = ({ target }: Event): void => {
      if (!(target instanceof Element) || target.closest("[data-add-comment]")) return;
      setSpot(spotAround(element, target));
    };
    const leave = (): void => setSpot(null);
    element.addEventListener("pointerover", over);
    element.addEventListener("pointerleave", leave);
    return () => {
      element.removeEventListener("pointerover", over);
      element.removeEventListener("pointerleave", leave);
    };
  }, [frame, reason]);
  if (!spot) return null;
  const isRange = from !== null && from.side === spot.place.side && from.line !== spot.place.line;
  const [first, last] = isRange
    ? [Math.min(from.line, spot.place.line), Math.max(from.line, spot.place.line)]
    : [spot.place.line, spot.place.line];
  const drag = (event: PointerEvent<HTMLButtonElement>): void => {
    const element = frame.current;
    if (from === null || !element) return;
    for (const under of document.elementsFromPoint(event.clientX, event.clientY)) {
      const next = element.contains(under) ? spotAround(element, under, from) : null;
      if (next) return setSpot({ ...next, left: spot.left });
    }
    return undefined;
  };
  return (
    <button
      type="button"
      data-add-comment=""
      tabIndex={-1}
      aria-label={`Comment on ${linesText(first, last, spot.place.side)}`}
      title="Comment; drag to comment on several lines"
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        setFrom(spot.place);
      }}
      onPointerMove={drag}
      onPointerCancel={() => setFrom(null)}
      onClick={() => {
        setFrom(null);
        setSpot(null);
        comment(path, { side: spot.place.side, line: last }, first);
      }}
      className="absolute z-[5] grid size-5 touch-none place-items-center rounded bg-accent text-on-accent hover:bg-accent-strong"
      style={{ top: spot.top, left: spot.left }}
    >
      <Icon name="plus" className="!size-3.5" />
      {isRange && (
        <span className="absolute left-6 rounded bg-accent px-1.5 py-0.5 text-xs whitespace-nowrap">
          {linesText(first, last, spot.place.side)}
        </span>
      )}
    </button>
  );
}

/** Returns the place of the "+" for the line around an element, on the side of `from` if given. */
function spotAround(frame: Element, element: Element, from?: LinePlace): Spot | null {
  const row = rowAround(element);
  const side = from?.side ?? sideAround(element);
  const place = row && placeOf(row, side);
  if (!row || !place || (side !== undefined && place.side !== side)) return null;
  const content =
    row.querySelector(
      `td[data-side="${place.side}"]:last-of-type, .diff-line-${place.side}-content`,
    ) ?? row.querySelector(".diff-line-content");
  const cell = content?.getBoundingClientRect();
  const box = frame.getBoundingClientRect();
  if (!cell) return null;
  return { place, top: cell.top - box.top, left: Math.max(cell.left - box.left - 10, 0) };
}
