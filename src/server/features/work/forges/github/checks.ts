import type { ForgeDiscussion } from "../forge-discussion.js";
import { cleanLog, type ReadLog } from "../client/forge-log.js";
import { MAX_CHECKS } from "../forge.js";
import { call, part, type GithubClient } from "./call.js";

interface Run {
  id: number | bigint;
  output: {
    title: string | null;
    summary: string | null;
    text: string | null;
    annotations_count: number;
  };
}

const FAILURES = new Set([
  "failure",
  "timed_out",
  "cancelled",
  "action_required",
  "startup_failure",
]);
/** GitHub refuses longer ones. */
const MAX_DESCRIPTION = 140;

type CheckCalls = Pick<ForgeDiscussion, "readCheckLog" | "setCommitStatus">;

export function checkCalls(octokit: GithubClient, readLog: ReadLog): CheckCalls {
  return {
    readCheckLog: (repository, headSha, name) =>
      call(async () => {
        const at = part(repository);
        const { data } = await octokit.request(
          "GET /repos/{owner}/{repo}/commits/{ref}/check-runs",
          { ...at, ref: headSha, check_name: name, per_page: MAX_CHECKS },
        );
        const failed = data.check_runs.filter(
          (one) => one.name === name && FAILURES.has(one.conclusion ?? ""),
        );
        const run = failed.sort((one, other) => Number(other.id) - Number(one.id))[0];
        if (!run) return null;
        // The check run of a workflow's job has the id of the job.
        const log =
          run.app?.slug === "github-actions"
            ? await readJobLog(octokit, at, Number(run.id), readLog)
            : null;
        return log ?? (await readReport(octokit, at, run));
      }),
    setCommitStatus: (repository, sha, { name, state, description, url }) =>
      call(async () => {
        await octokit.request("POST /repos/{owner}/{repo}/statuses/{sha}", {
          ...part(repository),
          sha,
          state,
          context: name,
          description: description.slice(0, MAX_DESCRIPTION),
          ...(url !== null && { target_url: url }),
        });
      }),
  };
}

async function readJobLog(
  octokit: GithubClient,
  at: { owner: string; repo: string },
  jobId: number,
  readLog: ReadLog,
): Promise<string | null> {
  try {
    // The answer is an address that is valid for a minute, without a credential.
    const { headers, data } = await octokit.request(
      "GET /repos/{owner}/{repo}/actions/jobs/{job_id}/logs",
      { ...at, job_id: jobId, request: { redirect: "manual" } },
    );
    if (headers.location !== undefined) return await readLog(headers.location, {});
    return typeof data === "string" ? cleanLog(Buffer.from(data)) : null;
  } catch (error) {
    const { status } = error as { status?: number };
    // Logs are deleted after some time, and an App may lack the permission for them.
    if (status === 403 || status === 404 || status === 410) return null;
    throw error;
  }
}

/** Returns what another program's check reports, with its annotations. */
async function readReport(
  octokit: GithubClient,
  at: { owner: string; repo: string },
  { id, output }: Run,
): Promise<string | null> {
  const notes =
    output.annotations_count === 0
      ? []
      : (
          await octokit.request("GET /repos/{owner}/{repo}/check-runs/{check_run_id}/annotations", {
            ...at,
            check_run_id: Number(id),
            per_page: 50,
          })
        ).data.map(({ path, start_line: line, message }) => `${path}:${line}: ${message ?? ""}`);
  const text = [output.title, output.summary, output.text, ...notes].filter(Boolean).join("\n");
  return text === "" ? null : cleanLog(Buffer.from(text));
}
