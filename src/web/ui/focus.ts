/*
 * Where the focus goes when it would be nowhere: what had it is gone, or the page is another one. A
 * screen reader would be at the top of the document, the Tab key at its first link.
 */

/** What stands by itself: a row, a card, a panel, a dialog, the page. */
const part = "tr, li, section, [role=tabpanel], [role=dialog], main";
const focusable =
  "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";

/** Whether it can be focused still; React hides what waits for its code. */
const isThere = (element: Element): boolean => element.isConnected && element.checkVisibility();

const isNowhere = (): boolean =>
  document.activeElement === null || document.activeElement === document.body;

/** A part that something was in, and those of its kind beside it, the following ones first. */
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
    places.push({ part: at, beside: beside.filter((one) => one.tagName === tagName) });
  }
  return places;
}

/** Focuses what is no control of its own, such as a heading. */
function focusText(element: HTMLElement): void {
  if (!element.hasAttribute("tabindex")) element.tabIndex = -1;
  element.focus({ preventScroll: true });
}

/** A row by its first control, whatever has a heading by that. */
function enter(at: Element): boolean {
  const isRow = at.matches("tr, li");
  const control = [...at.querySelectorAll<HTMLElement>(focusable)].find(isThere);
  const heading = at.querySelector<HTMLElement>("h1, h2, h3, h4");
  if (!isRow && heading) focusText(heading);
  else if (control) control.focus();
  else if (heading) focusText(heading);
  else return false;
  return true;
}

/** Leads to the page as such: its heading, which is read out; its content while there is none yet. */
export function focusPage(): void {
  const main = document.querySelector("main");
  const target = main?.querySelector<HTMLElement>("h1") ?? main;
  if (target) focusText(target);
}

/**
 * Remembers an element and where it stands.
 * @returns Focuses it again; where it is gone, what was beside it, or the heading of what it was in.
 */
export function rememberFocus(element: Element | null): () => void {
  const places = element === null ? [] : placesOf(element);
  return () => {
    if (element instanceof HTMLElement && element !== document.body && isThere(element)) {
      element.focus();
      return;
    }
    if (!isNowhere()) return;
    for (const place of places) {
      const left = [place.part, ...place.beside].find(isThere);
      if (left === undefined) continue;
      if (left.matches("main")) break;
      if (enter(left)) return;
    }
    focusPage();
  };
}

/** What moves the focus by itself, as dialogs and pages do, has done so by then. */
const settleMs = 60;

/**
 * Watches over the focus: where what has it is taken out of the page, it goes to what is left there.
 * @returns Ends it.
 */
export function keepFocus(): () => void {
  let last: { element: Element; restore: () => void } | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const look = (): void => {
    timer = undefined;
    if (last === undefined || !isNowhere()) return;
    const { element, restore } = last;
    // Whoever clicks beside everything wants it nowhere.
    last = undefined;
    if (!isThere(element)) restore();
  };
  const schedule = (): void => {
    if (last !== undefined && isNowhere()) timer ??= setTimeout(look, settleMs);
  };
  const handleFocus = ({ target }: FocusEvent): void => {
    if (target instanceof Element) last = { element: target, restore: rememberFocus(target) };
  };
  const handleBlur = ({ relatedTarget }: FocusEvent): void => {
    if (relatedTarget === null) timer ??= setTimeout(look, settleMs);
  };
  // Not every browser tells of a focused element that is removed.
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
