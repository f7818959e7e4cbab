import type { Choice } from "#shared/api/merges.js";
import { usePersistedState } from "../../hooks/use-persisted-state.js";
import type { Operation } from "../../api/operations.js";
import {
  type Conflict,
  type Decisions,
  isDecisions,
  signatureOf,
  withoutOutdated,
} from "./decisions.js";

/**
 * What was decided by hand for an act so far; kept in this tab, so that neither a reload nor a way round
 * other pages loses it. Also: to decide one more, to drop those that no longer apply, to drop all.
 */
export function useDecisions(
  agentId: string,
  act: Operation,
): [
  Decisions,
  (conflict: Conflict, choice: Choice) => void,
  (conflicts: readonly Conflict[]) => void,
  () => void,
] {
  const key = `decisions ${agentId} ${JSON.stringify(act)}`;
  const [decisions, setDecisions] = usePersistedState<Decisions>("session", key, {}, isDecisions);
  return [
    decisions,
    (conflict, choice) =>
      setDecisions({ ...decisions, [signatureOf(conflict)]: { choice, paths: conflict.paths } }),
    (conflicts) => setDecisions(withoutOutdated(conflicts, decisions)),
    () => setDecisions({}),
  ];
}
