import type { ForgeDiscussion } from "../forge-discussion.js";
import type { ReadLog } from "../client/forge-log.js";
import { ForgeError } from "../forge.js";
import { PAGE, part, type GiteaClient } from "./client.js";

/** The lists of runs and jobs came with Gitea 1.25; the types of the client are older. */
interface Runs {
  workflow_runs?: { id: number; head_sha?: string }[];
}
interface Jobs {
  jobs?: { id: number; name?: string; conclusion?: string }[];
}
/** Workflows that one commit starts. */
const MAX_RUNS = 10;

type CheckCalls = Pick<ForgeDiscussion, "readCheckLog" | "setCommitStatus">;

export function checkCalls(
  api: GiteaClient,
  { apiUrl, token, readLog }: { apiUrl: string; token: string; readLog: ReadLog },
): CheckCalls {
  const get = async <Answer>(path: string, query: Record<string, string | number>) =>
    (await api.request<Answer>({ path, method: "GET", query, secure: true, format: "json" })).data;

  /** Returns the id of the failed job that a status tells of. */
  const findJob = async (base: string, sha: string, name: string): Promise<number | null> => {
    const found = await get<Runs>(`${base}/runs`, { head_sha: sha, limit: PAGE });
    // Another version may not know the filter.
    const runs = (found.workflow_runs ?? []).filter(({ head_sha: of }) => of === sha);
    for (const { id } of runs.slice(0, MAX_RUNS)) {
      const { jobs = [] } = await get<Jobs>(`${base}/runs/${id}/jobs`, { limit: PAGE });
      const job = jobs.find((one) => one.conclusion === "failure" && isOf(name, one.name ?? ""));
      if (job) return job.id;
    }
    return null;
  };

  return {
    readCheckLog: async (repository, headSha, name) => {
      const base = `/repos/${part(repository).join("/")}/actions`;
      try {
        const job = await findJob(base, headSha, name);
        if (job === null) return null;
        const address = `${apiUrl}${base}/jobs/${job}/logs`;
        return (await readLog(address, { authorization: `Bearer ${token}` })) || null;
      } catch (error) {
        // Forgejo and older versions of Gitea have no such calls.
        const isMissing =
          error instanceof ForgeError && ["not_found", "refused"].includes(error.failure);
        if (isMissing) return null;
        throw error;
      }
    },
    setCommitStatus: async (repository, sha, { name, state, description, url }) => {
      await api.repos.repoCreateStatus(...part(repository), sha, {
        context: name,
        state,
        description,
        ...(url !== null && { target_url: url }),
      });
    },
  };
}

/** The status of a job is called as in `build.yml / test (push)`. */
const isOf = (status: string, job: string): boolean =>
  job !== "" && (status === job || status.includes(` / ${job} (`));
