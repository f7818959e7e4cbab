import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import type { Changes } from "#shared/api/work/reviews.js";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import { type ChangesSince, taskChangesQuery } from "../../../../api/queries/work/reviews.js";
import { usePersistedState } from "../../../../hooks/use-persisted-state.js";

const isTrueOrFalse = (stored: unknown): boolean => typeof stored === "boolean";

/** Whether lines that differ in white space alone count as equal, on every page of this browser. */
export function useWithoutSpace(): [boolean, (isWithoutSpace: boolean) => void] {
  return usePersistedState("forever", "diff-without-space", false, isTrueOrFalse);
}

/** The changes of an attempt, as the viewer reads them. */
export function useTaskChanges(
  task: Task,
  attempt: Attempt,
  since: ChangesSince,
): UseQueryResult<Changes> {
  const [isWithoutSpace] = useWithoutSpace();
  return useQuery(
    taskChangesQuery({ taskId: task.id, attemptId: attempt.id, since, isWithoutSpace }),
  );
}
