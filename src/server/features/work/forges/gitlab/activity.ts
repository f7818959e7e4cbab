import { IssueLabelEvents, IssueNotes } from "@gitbeaker/rest";
import type { ForgeDiscussion } from "../forge-discussion.js";
import type { GitlabOptions } from "./client.js";
import { personOf } from "./people.js";

const PAGE = 100;
const MAX_PAGES = 5;

export function activityCalls(options: GitlabOptions): Pick<ForgeDiscussion, "findActor"> {
  const labels = new IssueLabelEvents(options);
  const notes = new IssueNotes(options);
  return {
    findActor: async (repository, number, change) => {
      if ("label" in change) {
        const events = await labels.all(repository, number, { perPage: PAGE, maxPages: MAX_PAGES });
        const found = events.findLast(
          ({ action, label }) => action === "add" && label?.name === change.label,
        );
        return found ? personOf(found.user) : null;
      }
      // GitLab has assignments in the notes that it writes itself.
      const found = await notes.all(repository, number, {
        sort: "desc",
        orderBy: "created_at",
        perPage: PAGE,
        maxPages: 1,
      });
      const login = change.assignee.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
      const pattern = new RegExp(`^assigned to (?:@\\S+,? (?:and )?)*@${login}(?![\\w-])`);
      const note = found.find(({ system, body }) => system && pattern.test(body));
      return note ? personOf(note.author) : null;
    },
  };
}
