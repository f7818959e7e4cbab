import { Commits } from "@gitbeaker/rest";
import type { CommitStatus, ForgeDiscussion } from "../forge-discussion.js";
import type { ReadLog } from "../client/forge-log.js";
import { ForgeError } from "../forge.js";
import type { GitlabOptions } from "./client.js";

const states = { pending: "pending", success: "success", failure: "failed" } as const;
/** GitLab refuses longer ones. */
const MAX_DESCRIPTION = 255;

type CheckCalls = Pick<ForgeDiscussion, "readCheckLog" | "setCommitStatus">;

export function checkCalls(options: GitlabOptions, apiUrl: string, readLog: ReadLog): CheckCalls {
  const commits = new Commits(options);
  return {
    readCheckLog: async (repository, headSha, name) => {
      const statuses = await commits.allStatuses(repository, headSha, { name });
      const failed = statuses
        .filter((one) => one.name === name && one.status === "failed")
        .sort((one, other) => other.id - one.id)[0];
      if (!failed) return null;
      // The status of a job has the id of the job; statuses of others have no log.
      const project = encodeURIComponent(repository);
      const address = `${apiUrl}/projects/${project}/jobs/${failed.id}/trace`;
      return (await readLog(address, { "private-token": options.token })) || null;
    },
    setCommitStatus: async (repository, sha, { name, state, description, url }) => {
      try {
        await commits.editStatus(repository, sha, states[state], {
          name,
          description: description.slice(0, MAX_DESCRIPTION),
          ...(url !== null && { targetUrl: url }),
        });
      } catch (error) {
        if (!isSameState(error, state)) throw error;
      }
    },
  };
}

/** GitLab refuses a status that is as it was. */
function isSameState(error: unknown, state: CommitStatus["state"]): boolean {
  if (!(error instanceof ForgeError) || error.failure !== "refused") return false;
  const from = /Cannot transition status via :\w+ from :(\w+)/.exec(error.message)?.[1];
  return from === states[state];
}
