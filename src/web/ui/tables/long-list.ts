import { type KeyboardEvent, useEffect, useLayoutEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";

/** Number of rows rendered beyond each end of the viewport. */
const overscan = 16;

interface LongList {
  /** For the scrolling list element. */
  scroller: {
    ref: React.RefObject<HTMLDivElement | null>;
    onScroll: () => void;
    onFocus: (event: { target: Element }) => void;
    onKeyDown: (event: KeyboardEvent) => void;
  };
  /** For the inner element, which has the height of all rows. */
  inner: { className: string; style: { height: number } };
  /** Indexes of the rows to render. */
  drawn: readonly number[];
  /** For the element of a row, which has the list's width. */
  rowProps: (at: number) => {
    "data-row": number;
    tabIndex: 0 | -1;
    style: { top: number; height: number };
  };
  /** Focuses a row. */
  go: (at: number) => void;
}

/**
 * A virtualized list. A single tab stop; arrow keys, Page Up and Down, Home and End reach every row.
 * The scroll position is kept when rows are added or removed above.
 * @param keys unique keys of the rows, in order
 * @param rowHeight in pixels; equal for all rows
 */
export function useLongList(keys: readonly string[], rowHeight: number): LongList {
  const ref = useRef<HTMLDivElement>(null);
  const [{ top, fitting }, setSight] = useState({ top: 0, fitting: 24 });
  const [active, setActive] = useState<string>();
  const last = keys.length - 1;
  const found = active === undefined ? -1 : keys.indexOf(active);
  const current = found === -1 ? Math.min(top, last) : found;

  const recordScroll = (): void => {
    const list = ref.current;
    if (list === null) return;
    const sight = {
      top: Math.max(0, Math.floor(list.scrollTop / rowHeight)),
      fitting: Math.ceil(list.clientHeight / rowHeight),
    };
    setSight((before) =>
      before.top === sight.top && before.fitting === sight.fitting ? before : sight,
    );
    const isSeen = current >= sight.top && current < sight.top + sight.fitting;
    if (!isSeen && !list.contains(document.activeElement)) setActive(undefined);
  };
  const latest = useRef(recordScroll);
  useLayoutEffect(() => {
    latest.current = recordScroll;
  });
  useEffect(() => {
    if (ref.current === null) return;
    const observer = new ResizeObserver(() => latest.current());
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);

  const before = useRef(keys);
  useLayoutEffect(() => {
    const list = ref.current;
    // Skipped for a new list, since it would force a synchronous layout.
    if (list === null || before.current === keys) return;
    const key = before.current[Math.floor(list.scrollTop / rowHeight)];
    if (list.scrollTop > 0 && key !== undefined) {
      const at = keys.indexOf(key);
      if (at !== -1) list.scrollTop += (at - before.current.indexOf(key)) * rowHeight;
    }
    before.current = keys;
  }, [keys, rowHeight]);

  const go = (at: number): void => {
    // The row must be rendered before it can be focused.
    flushSync(() => setActive(keys[at]));
    const row = ref.current?.querySelector<HTMLElement>(`[data-row="${at}"]`);
    row?.focus({ preventScroll: true });
    row?.scrollIntoView({ block: "nearest" });
  };
  const handleKeyDown = (event: KeyboardEvent): void => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
    const page = Math.max(1, fitting - 2);
    const targets: Record<string, number> = {
      ArrowDown: current + 1,
      ArrowUp: current - 1,
      PageDown: current + page,
      PageUp: current - page,
      Home: 0,
      End: last,
    };
    const target = targets[event.key];
    if (target === undefined || last < 0) return;
    event.preventDefault();
    go(Math.min(Math.max(target, 0), last));
  };

  const from = Math.max(0, top - overscan);
  const to = Math.min(last, top + fitting + overscan);
  const inSight = Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
  return {
    scroller: {
      ref,
      onScroll: recordScroll,
      onFocus: ({ target }) => {
        const row = target.closest<HTMLElement>("[data-row]");
        if (row) setActive(keys[Number(row.dataset["row"])]);
      },
      onKeyDown: handleKeyDown,
    },
    inner: { className: "relative", style: { height: keys.length * rowHeight } },
    drawn:
      current < 0
        ? []
        : current < from
          ? [current, ...inSight]
          : current > to
            ? [...inSight, current]
            : inSight,
    rowProps: (at) => ({
      "data-row": at,
      tabIndex: at === current ? 0 : -1,
      style: { top: at * rowHeight, height: rowHeight },
    }),
    go,
  };
}
