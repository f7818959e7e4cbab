import { persisted, usePersistedState } from "./use-persisted-state.js";

const kept = 8;
const isIds = (stored: unknown): boolean =>
  Array.isArray(stored) && stored.every((id) => typeof id === "string");

/**
 * Ids of what was opened last in this browser, newest first: `agent-<id>`, `project-<id>`, or the id of a
 * palette's item.
 * @returns also a function that adds one
 */
export function useRecent(): [readonly string[], (id: string) => void] {
  const [recent, setRecent] = usePersistedState<readonly string[]>("forever", "recent", [], isIds);
  return [
    recent,
    (id) => {
      // Another tab may have added one.
      const stored = (persisted("forever", "recent", isIds) ?? recent) as readonly string[];
      setRecent([id, ...stored.filter((other) => other !== id)].slice(0, kept));
    },
  ];
}
