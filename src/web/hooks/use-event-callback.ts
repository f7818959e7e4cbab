import { useCallback, useLayoutEffect, useRef } from "react";

/**
 * Returns a function of stable identity that calls the latest callback, so that memoized rows do not
 * re-render. For event handlers, not for use during rendering.
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
