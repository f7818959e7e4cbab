import { useCallback, useLayoutEffect, useRef } from "react";

/**
 * The same function at each drawing, which does what the newest one would: for rows that are drawn anew
 * only where they changed. For what happens later, not for drawing.
 */
export function useEventCallback<Args extends unknown[]>(
  run: (...args: Args) => void,
): (...args: Args) => void {
  const newest = useRef(run);
  useLayoutEffect(() => {
    newest.current = run;
  });
  return useCallback((...args: Args) => newest.current(...args), []);
}
