import { type RefObject, useLayoutEffect } from "react";

/** Space between the pane and the bar below it; pixels. */
const gap = 20;
const smallest = 384;

/**
 * Makes an element as high as the room between what is above it and the bar at the bottom of the window,
 * whatever the number of lines in the heading and of banners.
 */
export function usePaneHeight(pane: RefObject<HTMLElement | null>, isPane: boolean): void {
  useLayoutEffect(() => {
    const element = pane.current;
    const place = element?.parentElement;
    if (!isPane || !element || !place) return undefined;
    const fit = (): void => {
      const above = place.getBoundingClientRect().top + window.scrollY;
      const bar = document.querySelector<HTMLElement>("[data-bottom-bar]")?.offsetHeight ?? 0;
      const height = Math.max(smallest, window.innerHeight - above - bar - gap);
      element.style.setProperty("height", `${Math.round(height)}px`);
    };
    fit();
    const observer = new ResizeObserver(fit);
    observer.observe(document.body);
    const bar = document.querySelector("[data-bottom-bar]");
    if (bar) observer.observe(bar);
    window.addEventListener("resize", fit);
    return () => {
      observer.disconnect();
      window.removeEventListener("resize", fit);
      element.style.removeProperty("height");
    };
  }, [pane, isPane]);
}
