import { usePersistedState } from "../../../../hooks/use-persisted-state.js";
import type { Operation } from "../../../../api/operations.js";
import {
  type Conflict,
  type Decisions,
  type DraftChoice,
  isDecisions,
  signatureOf,
  withoutDecision,
  withoutOutdated,
} from "./decisions.js";

/**
 * The manual decisions of an operation, kept in this tab so that they survive a reload or a visit to
 * other pages. Also returns functions to add one or remove it by null, to drop outdated ones and to drop all.
 */
export function useDecisions(
  agentId: string,
  operation: Operation,
): [
  Decisions,
  (conflict: Conflict, choice: DraftChoice | null) => void,
  (conflicts: readonly Conflict[]) => void,
  () => void,
] {
  const key = `decisions ${agentId} ${JSON.stringify(operation)}`;
  const [decisions, setDecisions] = usePersistedState<Decisions>("session", key, {}, isDecisions);
  return [
    decisions,
    (conflict, choice) =>
      setDecisions(
        choice === null
          ? withoutDecision(conflict, decisions)
          : { ...decisions, [signatureOf(conflict)]: { choice, paths: conflict.paths } },
      ),
    (conflicts) => setDecisions(withoutOutdated(conflicts, decisions)),
    () => setDecisions({}),
  ];
}
