import type { ForgeDiscussion } from "../forge-discussion.js";
import { call, part, readPages, type GithubClient } from "./call.js";
import { personOf } from "./discussion.js";

/** Events of an issue that are read to find one. */
const MAX_EVENTS = 1000;

export function activityCalls(octokit: GithubClient): Pick<ForgeDiscussion, "findActor"> {
  return {
    findActor: (repository, number, change) =>
      call(async () => {
        const pages = octokit.paginate.iterator(
          "GET /repos/{owner}/{repo}/issues/{issue_number}/events",
          { ...part(repository), issue_number: number, per_page: 100 },
        );
        const events = await readPages(pages, MAX_EVENTS);
        const found = events.findLast((event) =>
          "label" in change
            ? event.event === "labeled" && "label" in event && event.label.name === change.label
            : event.event === "assigned" &&
              "assignee" in event &&
              event.assignee?.login === change.assignee,
        );
        return found?.actor ? personOf(found.actor) : null;
      }),
  };
}
