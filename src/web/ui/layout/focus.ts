/*
 * Focus management after the focused element was removed or the page has changed. Otherwise screen
 * readers and the Tab key would restart at the top of the document.
 */

/** Containers to return the focus to: row, card, panel, dialog, page. */
const part = "tr, li, section, [role=tabpanel], [role=dialog], main";
const focusable =
  "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";

/** Whether an element can still be focused; React hides content that is suspended. */
const isVisible = (element: Element): boolean => element.isConnected && element.checkVisibility();

const hasNoFocus = (): boolean =>
  document.activeElement === null || document.activeElement === document.body;

/** A container and its siblings of the same kind, following ones first. */
interface Place {
  part: Element;
  beside: readonly Element[];
}

function placesOf(element: Element): Place[] {
  const places: Place[] = [];
  for (let at = element.closest(part); at; at = at.parentElement?.closest(part) ?? null) {
    const { tagName } = at;
    const all = [...(at.parentElement?.children ?? [])];
    const index = all.indexOf(at);
    const beside = [...all.slice(index + 1), ...all.slice(0, index).toReversed()];
    places.push({ part: at, beside: beside.filter((element) => element.tagName === tagName) });
  }
  return places;
}

/** Focuses an element that is not a control, such as a heading. */
function focusText(element: HTMLElement): void {
  if (!element.hasAttribute("tabindex")) element.tabIndex = -1;
  element.focus({ preventScroll: true });
}

/** Focuses a row's first control, or the heading of any other container. */
function enter(at: Element): boolean {
  const isRow = at.matches("tr, li");
  const control = [...at.querySelectorAll<HTMLElement>(focusable)].find(isVisible);
  const heading = at.querySelector<HTMLElement>("h1, h2, h3, h4");
  if (!isRow && heading) focusText(heading);
  else if (control) control.focus();
  else if (heading) focusText(heading);
  else return false;
  return true;
}

/** Focuses the page's heading, so that it is announced; the main element if there is none yet. */
export function focusPage(): void {
  const main = document.querySelector("main");
  const target = main?.querySelector<HTMLElement>("h1") ?? main;
  if (target) focusText(target);
}

/**
 * Records an element and its containers.
 * @returns a function that focuses the element again; if it was removed, a sibling or the heading of
 * its container
 */
export function rememberFocus(element: Element | null): () => void {
  const places = element === null ? [] : placesOf(element);
  return () => {
    if (element instanceof HTMLElement && element !== document.body && isVisible(element)) {
      element.focus();
      return;
    }
    if (!hasNoFocus()) return;
    for (const place of places) {
      const left = [place.part, ...place.beside].find(isVisible);
      if (left === undefined) continue;
      if (left.matches("main")) break;
      if (enter(left)) return;
    }
    focusPage();
  };
}

/** Time for dialogs and pages to move the focus themselves; milliseconds. */
const FOCUS_DELAY_MS = 60;

/**
 * Moves the focus to the nearest remaining element when the focused one is removed.
 * @returns a function that stops it
 */
export function keepFocus(): () => void {
  let last: { element: Element; restore: () => void } | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const restoreFocus = (): void => {
    timer = undefined;
    if (last === undefined || !hasNoFocus()) return;
    const { element, restore } = last;
    // A click on the background clears the focus on purpose.
    last = undefined;
    if (!isVisible(element)) restore();
  };
  const schedule = (): void => {
    if (last !== undefined && hasNoFocus()) timer ??= setTimeout(restoreFocus, FOCUS_DELAY_MS);
  };
  const handleFocus = ({ target }: FocusEvent): void => {
    if (target instanceof Element) last = { element: target, restore: rememberFocus(target) };
  };
  const handleBlur = ({ relatedTarget }: FocusEvent): void => {
    if (relatedTarget === null) timer ??= setTimeout(restoreFocus, FOCUS_DELAY_MS);
  };
  // Not every browser fires an event when the focused element is removed.
  const removals = new MutationObserver(schedule);
  removals.observe(document.body, { childList: true, subtree: true });
  document.addEventListener("focusin", handleFocus);
  document.addEventListener("focusout", handleBlur);
  return () => {
    removals.disconnect();
    document.removeEventListener("focusin", handleFocus);
    document.removeEventListener("focusout", handleBlur);
    clearTimeout(timer);
  };
}
