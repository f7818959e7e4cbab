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
 * The lower part of a long page. The first time in a visit it is drawn after the upper part, which is
 * seen sooner for it; nothing may follow below that would be pushed down.
 */
export function Later({ children }: { children: ReactNode }): ReactElement | null {
  const [isTime, setTime] = useState(isDrawn);
  useEffect(() => {
    if (isTime) return undefined;
    return afterPaint(() => {
      isDrawn = true;
      startTransition(() => setTime(true));
    });
  }, [isTime]);
  return isTime ? <>{children}</> : null;
}
