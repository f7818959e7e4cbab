import type { ForgeDiscussion } from "../forge-discussion.js";
import { PAGE, part, readPages, type GiteaClient } from "./client.js";
import { personOf } from "./people.js";

/** Entries of an issue's timeline that are read to find one. */
const MAX_ENTRIES = 1000;
/** Gitea's text of an entry for a label that was added; one that was removed has none. */
const ADDED = "1";

export function activityCalls(api: GiteaClient): Pick<ForgeDiscussion, "findActor"> {
  return {
    findActor: async (repository, number, change) => {
      const entries = await readPages(async (page) => {
        const query = { page, limit: PAGE };
        const { data } = await api.repos.issueGetCommentsAndTimeline(
          ...part(repository),
          number,
          query,
        );
        return data;
      }, MAX_ENTRIES);
      const found = entries.findLast(({ type, body, label, assignee, removed_assignee }) =>
        "label" in change
          ? type === "label" && body === ADDED && label?.name === change.label
          : type === "assignees" &&
            removed_assignee !== true &&
            assignee?.login === change.assignee,
      );
      return found?.user ? personOf(found.user) : null;
    },
  };
}
