/** Pushes a branch to the upstream. */
import { progressReader, withUpstream, type UpstreamOptions } from "./upstream-connection.js";
import { assertOid, assertRefName } from "../store/bare-repository.js";
import { UpstreamError, upstreamError } from "./upstream-error.js";
import { listRefs, updateRefs } from "../store/refs.js";

/**
 * Fast-forwards the upstream's branch to `commit`, or creates it. Succeeds if it is already there.
 * Records the result under `refs/upstream/heads/`.
 * @throws UpstreamError `not_fast_forward` if the upstream has commits of its own
 */
export async function pushUpstream(
  repoPath: string,
  url: string,
  branch: string,
  commit: string,
  options: UpstreamOptions,
): Promise<void> {
  const ref = `refs/heads/${branch}`;
  assertRefName(ref);
  assertOid(commit);
  await withUpstream(repoPath, url, "git-receive-pack", options, async (remote) => {
    const args = ["push", "--porcelain", "--progress", "--no-verify", "--no-follow-tags"];
    const flags = ["--no-signed", "--recurse-submodules=no", "--end-of-options", "upstream"];
    const { exitCode, stdout, stderr } = await remote([...args, ...flags, `${commit}:${ref}`], {
      onStderr: progressReader(options.onProgress),
      okExitCodes: [0, 1],
    });
    if (exitCode !== 0) throw refusalOf(stdout.toString("utf8"), stderr);
  });
  const note = `refs/upstream/heads/${branch}`;
  const [noted] = await listRefs(repoPath, note);
  const expectedOld = noted?.ref === note ? noted.sha : null;
  await updateRefs(repoPath, [{ ref: note, newSha: commit, expectedOld }]);
  options.onProgress?.(100);
}

/** Parses git's status line of the branch (git-push(1), --porcelain). */
function refusalOf(output: string, stderr: string): UpstreamError {
  const [, kind, why = ""] = /^!\t\S+\t\[([a-z ]+)\](?: \((.*)\))?$/m.exec(output) ?? [];
  if (kind === "rejected" || /non-fast-forward|fetch first/.test(why)) {
    return upstreamError("not_fast_forward");
  }
  if (kind === undefined) return upstreamError(/denied/.test(stderr) ? "forbidden" : "failed");
  const reason = why.replaceAll(/[^\x20-\x7e]+/g, " ").trim();
  if (reason === "") return upstreamError("push_refused");
  return new UpstreamError(
    "push_refused",
    `The upstream rejected the push: ${reason.slice(0, 200)}.`,
  );
}
