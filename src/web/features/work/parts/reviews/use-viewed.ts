import { useQueryClient } from "@tanstack/react-query";
import type { Changes } from "#shared/api/work/reviews.js";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import { asApiError, client } from "../../../../api/client.js";
import { taskChangesKey } from "../../../../api/queries/work/reviews.js";
import { notify } from "../../../../ui/feedback/toast.js";

/**
 * Returns a function that marks a file as seen; the page shows it before the server has it. An answer to a question
 * from before the mark does not take it away.
 */
export function useViewed(
  task: Task,
  attempt: Attempt,
  changes: Changes,
): (path: string, isViewed: boolean) => void {
  const queries = useQueryClient();
  const queryKey = taskChangesKey(task.id);
  const isShown = (path: string, isViewed: boolean): boolean =>
    queries
      .getQueriesData<Changes>({ queryKey })
      .every(([, all]) =>
        (all?.files ?? []).every((file) => file.path !== path || file.viewed === isViewed),
      );
  const put = (path: string, isViewed: boolean): void => {
    queries.setQueriesData<Changes>({ queryKey }, (all) =>
      all === undefined
        ? undefined
        : {
            ...all,
            files: all.files.map((file) =>
              file.path === path ? { ...file, viewed: isViewed } : file,
            ),
          },
    );
  };
  const send = async (path: string, isViewed: boolean): Promise<void> => {
    const wasReading = queries.isFetching({ queryKey }) > 0;
    // Takes effect before the next line.
    void queries.cancelQueries({ queryKey });
    put(path, isViewed);
    try {
      const { data } = await client.reviews.setViewed({
        params: { task_id: task.id },
        body: { path, commit_sha: changes.commit_sha, viewed: isViewed, attempt_id: attempt.id },
      });
      if (isViewed && !data.viewed) {
        put(path, false);
        notify("The file has changed meanwhile, so it stays unseen.");
      }
      if (wasReading || queries.isFetching({ queryKey }) > 0 || !isShown(path, data.viewed)) {
        await queries.invalidateQueries({ queryKey });
      }
    } catch (error) {
      put(path, !isViewed);
      notify(asApiError(error).message, "bad");
    }
  };
  return (path, isViewed) => void send(path, isViewed);
}
