import type { RefObject } from "react";
import { useShortcuts } from "../../../ui/overlays/shortcuts.js";

/** Marks a row, by its key, and within it the link that opens it. */
export const rowProps = (key: string) => ({ "data-row": key });
export const rowLinkProps = { "data-row-link": "" };

/**
 * Moves the focus between the links of rows with `j` and `k`, so that Enter opens one.
 * @param on called with the key of the focused row
 */
export function useRowKeys(
  container: RefObject<HTMLElement | null>,
  on: { done: (key: string) => void; snooze: (key: string) => void },
): void {
  const linksOf = (): HTMLElement[] => [
    ...(container.current?.querySelectorAll<HTMLElement>("[data-row-link]") ?? []),
  ];
  const currentRow = (): HTMLElement | null =>
    document.activeElement?.closest<HTMLElement>("[data-row]") ?? null;
  const go = (link: HTMLElement | undefined): void => {
    link?.focus();
    link?.scrollIntoView({ block: "nearest" });
  };
  const move = (by: 1 | -1): void => {
    const links = linksOf();
    const row = currentRow();
    const at = row === null ? -1 : links.findIndex((link) => row.contains(link));
    go(links[at === -1 ? 0 : Math.min(Math.max(0, at + by), links.length - 1)]);
  };
  useShortcuts("Home", [
    { key: "j", what: "Next row", run: () => move(1) },
    { key: "k", what: "Previous row", run: () => move(-1) },
    { key: "Enter", what: "Open the row" },
    {
      key: "e",
      what: "Mark the row as done",
      run: () => {
        const row = currentRow();
        const key = row?.dataset["row"];
        if (row === null || key === undefined) return;
        const links = linksOf();
        const at = links.findIndex((link) => row.contains(link));
        go(links[at + 1] ?? links[at - 1]);
        on.done(key);
      },
    },
    {
      key: "s",
      what: "Snooze the row until a time",
      run: () => {
        const key = currentRow()?.dataset["row"];
        if (key !== undefined) on.snooze(key);
      },
    },
  ]);
}
