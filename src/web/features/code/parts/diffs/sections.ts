/** Height of the page header and a section's sticky header, in pixels. */
const headersHeight = 80;

/** Scrolls a section to the top and focuses it. */
export function goToSection(id: string | undefined): void {
  const section = id === undefined ? null : document.getElementById(id);
  section?.scrollIntoView();
  section?.focus({ preventScroll: true });
}

/**
 * Returns the index in `ids` of the next section (`by` 1) or the previous one (-1), relative to the
 * focused section or the top of the screen; undefined if none exists.
 */
export function adjacentSection(ids: readonly string[], by: 1 | -1): number | undefined {
  const focused = ids.findIndex((id) =>
    document.getElementById(id)?.contains(document.activeElement),
  );
  if (focused !== -1) return ids[focused + by] === undefined ? undefined : focused + by;
  const tops = ids.map((id) => document.getElementById(id)?.getBoundingClientRect().top ?? 0);
  const next = tops.findIndex((top) => top > headersHeight);
  if (by === 1) return next === -1 ? undefined : next;
  const before = (next === -1 ? tops.length : next) - 1;
  return before < 0 ? undefined : before;
}
