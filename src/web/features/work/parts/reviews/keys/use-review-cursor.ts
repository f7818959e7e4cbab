import { useEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import type { Hunk } from "../../../../code/parts/diffs/patches/hunks.js";
import { adjacentSection, goToSection } from "../../../../code/parts/diffs/sections.js";
import { asApiError } from "../../../../../api/client.js";
import { notify } from "../../../../../ui/feedback/toast.js";
import { useEventCallback } from "../../../../../hooks/use-event-callback.js";
import { nextChange } from "./next-change.js";
import { lineBeside, type LinePlace, markRows, pieceAt, rowAt, unmarkRows } from "./line-rows.js";

/** The current line of the viewer, or a range that ends with it. */
export interface CurrentLine {
  path: string;
  place: LinePlace;
  /** First line of the range, on the same side. */
  from: number;
}

/** A file as the keys see it. */
export interface CursorFile {
  path: string;
  /** Of its section. */
  id: string;
  isOpen: boolean;
  /** A promise if they are to be read first. */
  hunks: () => readonly Hunk[] | Promise<readonly Hunk[]>;
}

/** Space that stays above a line that is moved to; pixels. */
const headersHeight = 120;

/** The current line of a diff, and what moves it. */
export function useReviewCursor(files: readonly CursorFile[], hurry: () => void) {
  const [current, setCurrent] = useState<CurrentLine | null>(null);
  const isFocusWanted = useRef(false);
  const sectionOf = (path: string): HTMLElement | null => {
    const id = files.find((file) => file.path === path)?.id;
    return id === undefined ? null : document.getElementById(id);
  };
  const show = useEventCallback(() => {
    const section = current && sectionOf(current.path);
    if (!section) return unmarkRows();
    const row = markRows(section, current.from, current.place);
    if (!isFocusWanted.current) return undefined;
    if (!(row instanceof HTMLElement)) {
      // The lines of the file have been read since, and this piece of them is not drawn yet.
      return pieceAt(section, current.place)?.scrollIntoView({ block: "center" });
    }
    isFocusWanted.current = false;
    row.tabIndex = -1;
    row.focus({ preventScroll: true });
    const { top, bottom } = row.getBoundingClientRect();
    const bar = document.querySelector<HTMLElement>("[data-bottom-bar]")?.offsetHeight ?? 0;
    if (top < headersHeight || bottom > innerHeight - bar - 40)
      row.scrollIntoView({ block: "center" });
    return undefined;
  });
  useEffect(() => {
    show();
    const section = current && sectionOf(current.path);
    if (!section) return undefined;
    // Rows are drawn when they come near, and anew when colors arrive.
    const observer = new MutationObserver(show);
    observer.observe(section, { childList: true, subtree: true });
    return () => observer.disconnect();
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- sections are found by their ids
  }, [current, show]);
  useEffect(() => unmarkRows, []);

  const goTo = (path: string, place: LinePlace, from = place.line): void => {
    flushSync(hurry);
    isFocusWanted.current = true;
    const section = sectionOf(path);
    if (section && !rowAt(section, place)) {
      (pieceAt(section, place) ?? section).scrollIntoView({ block: "center" });
    }
    setCurrent({ path, place, from });
  };
  /** The file with the focus or the current line. */
  const currentFile = (): CursorFile | undefined => {
    const focused = document.activeElement?.closest("section[id^=file-]")?.id;
    return files.find(({ id, path }) => (focused ? id === focused : path === current?.path));
  };
  const goToFile = (file: CursorFile | undefined): void => {
    if (!file) return;
    flushSync(hurry);
    setCurrent(null);
    goToSection(file.id);
  };
  const stepFile = (by: 1 | -1): void => {
    const at = adjacentSection(
      files.map(({ id }) => id),
      by,
    );
    if (at !== undefined) goToFile(files[at]);
  };
  /** The newest step; one that still waits for lines is given up. */
  const step = useRef(0);
  const stepChange = (by: 1 | -1): void => {
    step.current += 1;
    goToChange(by, step.current).catch((error: unknown) =>
      notify(asApiError(error).message, "bad"),
    );
  };
  const goToChange = async (by: 1 | -1, own: number): Promise<void> => {
    const file = currentFile();
    const start = file ? files.indexOf(file) : by === 1 ? -1 : files.length;
    const here = current !== null && file?.path === current.path ? current.place : null;
    for (let at = file ? start : start + by; files[at]; at += by) {
      const { isOpen, hunks, path } = files[at] as CursorFile;
      if (!isOpen) continue;
      const isHere = at === start;
      // Before the first change of a file whose header has the focus are the files before it.
      if (isHere && here === null && by === -1) continue;
      const found = hunks();
      const known = found instanceof Promise ? await found : found;
      if (own !== step.current) return;
      const place = nextChange(known, isHere ? here : null, by);
      if (place) {
        goTo(path, place);
        return;
      }
    }
  };
  const stepLine = (by: 1 | -1, isExtending: boolean): void => {
    const section = current && sectionOf(current.path);
    if (!section) return stepChange(by);
    const place = lineBeside(section, current.place, by);
    if (!place) return undefined;
    if (!isExtending) return goTo(current.path, place);
    if (place.side === current.place.side && place.line >= current.from) {
      goTo(current.path, place, current.from);
    }
    return undefined;
  };
  return {
    current,
    goTo,
    goToFile,
    currentFile,
    stepFile,
    stepChange,
    stepLine,
    select: setCurrent,
    clear: () => setCurrent(null),
  };
}
