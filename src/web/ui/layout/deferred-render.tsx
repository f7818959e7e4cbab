import { type ReactElement, type ReactNode, startTransition, useEffect, useState } from "react";

/** Runs a callback after the next paint. Returns a function that cancels it. */
export function afterPaint(run: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const frame = requestAnimationFrame(() => {
    timer = setTimeout(run);
  });
  return () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
  };
}

// A reload or Back restores the scroll position, which needs the whole page at once.
const [visit] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
let isDrawn = visit?.type !== "navigate";

/**
 * Whether to render the lower part of a long page, and a function that renders it at once. On the first
 * page of a visit the lower part waits until the upper part is painted.
 */
export function useAfterFirstPaint(): [isTime: boolean, hurry: () => void] {
  const [isTime, setTime] = useState(isDrawn);
  useEffect(() => {
    if (isTime) return undefined;
    return afterPaint(() => {
      isDrawn = true;
      startTransition(() => setTime(true));
    });
  }, [isTime]);
  return [isTime, () => setTime(true)];
}

/** The lower part of a long page. Nothing may follow it, since it would cause a layout shift. */
export function DeferredRender({ children }: { children: ReactNode }): ReactElement | null {
  const [isTime] = useAfterFirstPaint();
  return isTime ? <>{children}</> : null;
}
