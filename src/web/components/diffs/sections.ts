/** What the page's own header and a section's sticky one cover, in pixels. */
const covered = 80;

/** Brings a section to the top and the focus to it. */
export function goTo(id: string | undefined): void {
  const section = id === undefined ? null : document.getElementById(id);
  section?.scrollIntoView();
  section?.focus({ preventScroll: true });
}

/**
 * The place in `ids` of the next section (`by` 1) or the one before (-1), from the one that has the
 * focus, else from what is at the top of the screen; undefined where there is none.
 */
export function currentOf(ids: readonly string[], by: 1 | -1): number | undefined {
  const focused = ids.findIndex((id) =>
    document.getElementById(id)?.contains(document.activeElement),
  );
  if (focused !== -1) return ids[focused + by] === undefined ? undefined : focused + by;
  const tops = ids.map((id) => document.getElementById(id)?.getBoundingClientRect().top ?? 0);
  const next = tops.findIndex((top) => top > covered);
  if (by === 1) return next === -1 ? undefined : next;
  const before = (next === -1 ? tops.length : next) - 1;
  return before < 0 ? undefined : before;
}
