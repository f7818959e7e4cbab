/** The appearance of lists of tabs, whether they change a part of the page or lead to pages. */
export const tabListClass = "flex overflow-x-auto border-b border-line sm:gap-1";

/** Marked where it is the selected tab of a list, or the link of the current page. */
export const tabClass =
  "-mb-px rounded-t-md border-b-2 border-transparent px-2 py-2 sm:px-3 font-medium whitespace-nowrap text-muted -outline-offset-2 hover:text-ink data-[state=active]:border-accent-ink data-[state=active]:text-ink aria-[current=page]:border-accent-ink aria-[current=page]:text-ink";

/** Shows a tab that is outside the viewport on a phone. Scrolls the tab list only, not the page. */
export function showTab(list: HTMLElement, name: string): void {
  const chosen = list.querySelector(`[data-tab=${name}]`);
  if (!chosen) return;
  const { left, right } = list.getBoundingClientRect();
  const at = chosen.getBoundingClientRect();
  if (at.left < left) list.scrollBy({ left: at.left - left });
  else if (at.right > right) list.scrollBy({ left: at.right - right });
}
