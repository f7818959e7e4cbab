import { type RefObject, useEffect, useLayoutEffect, useRef } from "react";

/** Distance from the end within which new entries are followed, in pixels. */
const nearEnd = 320;

/**
 * Keeps the end of the page, or of a pane that scrolls by itself, in view while it grows, if the viewer has
 * not scrolled away.
 * @param pane on narrow screens it may be a part of the page that does not scroll
 * @returns follows the end again
 */
export function useFollowedEnd(version: number, pane?: RefObject<HTMLElement | null>): () => void {
  const isNear = useRef(true);
  useEffect(() => {
    const look = (): void => {
      const { scrollHeight, clientHeight, scrollTop } = scrolled(pane?.current);
      isNear.current = scrollHeight - clientHeight - scrollTop < nearEnd;
    };
    const options = { passive: true, capture: true };
    // The scrolling of a pane does not bubble, but is captured.
    window.addEventListener("scroll", look, options);
    return () => window.removeEventListener("scroll", look, options);
  }, [pane]);
  useLayoutEffect(() => {
    if (version === 0 || !isNear.current) return;
    const element = scrolled(pane?.current);
    element.scrollTo({ top: element.scrollHeight });
  }, [version, pane]);
  return () => {
    isNear.current = true;
  };
}

function scrolled(pane: HTMLElement | null | undefined): Element {
  const isPane = pane && getComputedStyle(pane).overflowY === "auto";
  return isPane ? pane : document.documentElement;
}
