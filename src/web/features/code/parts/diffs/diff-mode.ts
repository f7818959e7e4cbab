import { usePersistedState } from "../../../../hooks/use-persisted-state.js";

/** One column or two. */
export type DiffMode = "unified" | "split";

export const diffModes: readonly { value: DiffMode; label: string }[] = [
  { value: "unified", label: "Unified" },
  { value: "split", label: "Side by side" },
];

/**
 * The last selected mode; the default depends on the screen width, since two columns do not fit a
 * phone.
 */
export function useDiffMode(): [DiffMode, (mode: DiffMode) => void] {
  const initial = matchMedia("(min-width: 1280px)").matches ? "split" : "unified";
  return usePersistedState<DiffMode>("forever", "diff-mode", initial, (stored) =>
    diffModes.some(({ value }) => value === stored),
  );
}
