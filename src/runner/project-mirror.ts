/** The mirror of a project's repository: the branches that each agent may read, under refs of its own. */
import { createHash } from "node:crypto";
import { mkdir, utimes } from "node:fs/promises";
import { initBare } from "#git/store/bare-repository.js";
import { listRefs, updateRef } from "#git/store/refs.js";
import { isAncestor, resolveCommit } from "#git/store/repository.js";
import { withUpstream } from "#git/upstream/upstream-connection.js";
import { upstreamError } from "#git/upstream/upstream-error.js";
import { createDirectoryAtomically, exists } from "#git/files/atomic-directory.js";
import { RUNNER_PATH, type RunnerJob } from "#shared/execution/runner/protocol.js";
import type { RunnerStorage } from "./runner-storage.js";
import type { ServerConnection } from "./server-connection.js";

const FETCH_MS = 60 * 60_000;

const agentRefs = ({ agent }: RunnerJob): string => `refs/agents/${agent.id}/`;

export const branchKey = ({ default_branch: branch }: RunnerJob): string =>
  createHash("sha256").update(branch).digest("hex").slice(0, 16);

/** Creates the mirrors of the projects on this machine. */
export function createMirrors(
  storage: RunnerStorage,
  server: Pick<ServerConnection, "url" | "token">,
) {
  const fetch = async (job: RunnerJob, signal: AbortSignal): Promise<void> => {
    const repository = storage.repository(job.project_id);
    if (!(await exists(repository))) {
      await mkdir(storage.project(job.project_id), { recursive: true, mode: 0o700 });
      await createDirectoryAtomically(repository, (folder) => initBare(folder, "main"));
    }
    const url = `${server.url}${RUNNER_PATH}/runs/${job.run_id}/git`;
    // An agent reads its own branch and its base alone, so each has refs of its own.
    const refs = agentRefs(job);
    await withUpstream(
      repository,
      url,
      "git-upload-pack",
      {
        protocols: ["https", "http"],
        login: { kind: "https_token", username: "runner", token: server.token },
        signal,
        timeoutMs: FETCH_MS,
        config: [
          // It fetches a few refs alone: the protocol that lists them first needs fewer requests.
          ["protocol.version", "0"],
          // Saves a request that is refused (git 2.46).
          ["http.proactiveAuth", "basic"],
        ],
      },
      (git) =>
        git([
          "fetch",
          "--quiet",
          "--no-tags",
          "--prune",
          "--no-write-fetch-head",
          "upstream",
          `+refs/heads/*:${refs}*`,
        ]),
    );
    // git takes an answer that ends after its headers for one of an empty repository.
    if ((await branchesOf(job)).get(job.branch) === undefined) throw upstreamError("interrupted");
    await touch(job);
  };

  /** Returns the commits of the branches that the agent of a job had at the last fetch. */
  const branchesOf = async (job: RunnerJob): Promise<Map<string, string>> => {
    const prefix = agentRefs(job);
    const refs = await listRefs(storage.repository(job.project_id), prefix);
    return new Map(refs.map(({ ref, sha }) => [ref.slice(prefix.length), sha]));
  };

  /** Whether the mirror has the branches of a job as it names them. */
  const isCurrent = async (job: RunnerJob): Promise<boolean> => {
    if (job.default_commit === null || !(await exists(storage.repository(job.project_id)))) {
      return false;
    }
    const branches = await branchesOf(job);
    return (
      branches.get(job.branch) === job.head_commit &&
      branches.get(job.base_branch) === (job.base_commit ?? undefined) &&
      branches.get(job.default_branch) === job.default_commit
    );
  };

  const touch = async (job: RunnerJob): Promise<void> => {
    const now = new Date();
    await utimes(storage.project(job.project_id), now, now);
  };

  /**
   * Returns the newest commit of the default branch that any run has fetched: each agent has the branch as it was at
   * its last run, and an export that went back and forth would be built again each time.
   */
  const sharedTip = (job: RunnerJob): Promise<string | null> =>
    resolveCommit(storage.repository(job.project_id), `refs/shared/${branchKey(job)}`);

  const advanceShared = async (job: RunnerJob): Promise<void> => {
    const repository = storage.repository(job.project_id);
    const fetched = await resolveCommit(repository, agentRefs(job) + job.default_branch);
    const known = await sharedTip(job);
    if (fetched === null || fetched === known) return;
    if (known !== null && (await isAncestor(repository, fetched, known))) return;
    await updateRef(repository, `refs/shared/${branchKey(job)}`, fetched, known);
  };

  return { fetch, isCurrent, touch, sharedTip, advanceShared };
}
