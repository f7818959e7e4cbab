import { type ReactElement, type ReactNode, startTransition, useEffect, useState } from "react";

/** Runs once the browser has drawn what there is now; gives what calls it off. */
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

// Whoever comes back to where he had scrolled to needs all of the page at once.
const [visit] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
let isDrawn = visit?.type !== "navigate";

/**
 * Whether it is time for the lower part of a long page, and what makes it so at once. The first time in a
 * visit that is after the upper part was drawn, which is seen sooner for it.
 */
export function useLater(): [isTime: boolean, hurry: () => void] {
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

/** The lower part of a long page; nothing may follow below that would be pushed down. */
export function DeferredRender({ children }: { children: ReactNode }): ReactElement | null {
  const [isTime] = useLater();
  return isTime ? <>{children}</> : null;
}
