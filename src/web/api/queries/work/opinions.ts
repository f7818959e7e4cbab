import { queryOptions } from "@tanstack/react-query";
import { client, everyPage } from "../../client.js";
import { openTasksKey } from "./tasks.js";

/** The second opinions of agents on a task, newest first. */
export const opinionsQuery = (taskId: string) =>
  queryOptions({
    queryKey: [...openTasksKey, taskId, "opinions"],
    queryFn: ({ signal }) =>
      everyPage((query) =>
        client.opinions.list({ params: { task_id: taskId }, query }, { signal }),
      ),
  });
