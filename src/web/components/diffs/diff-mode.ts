import { usePersistedState } from "../../hooks/use-persisted-state.js";

/** One column or two. */
export type DiffMode = "unified" | "split";

export const diffModes: readonly { value: DiffMode; label: string }[] = [
  { value: "unified", label: "Unified" },
  { value: "split", label: "Side by side" },
];

/** As it was chosen last; at first by the room there is: two columns of code need more than a phone's. */
export function useDiffMode(): [DiffMode, (mode: DiffMode) => void] {
  const initial = matchMedia("(min-width: 1280px)").matches ? "split" : "unified";
  return usePersistedState<DiffMode>("forever", "diff-mode", initial, (stored) =>
    diffModes.some(({ value }) => value === stored),
  );
}
