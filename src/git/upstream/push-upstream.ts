/** Pushes a branch to the upstream. */
import { progressReader, withUpstream, type UpstreamOptions } from "./upstream-connection.js";
import { assertOid } from "../objects/oid.js";
import { assertRefName } from "../store/bare-repository.js";
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
  await push(repoPath, url, [], `${commit}:${ref}`, options);
  const note = `refs/upstream/heads/${branch}`;
  const [noted] = await listRefs(repoPath, note);
  const expectedOld = noted?.ref === note ? noted.sha : null;
  await updateRefs(repoPath, [{ ref: note, newSha: commit, expectedOld }]);
  options.onProgress?.(100);
}

/**
 * Sets a branch of the upstream to `commit`, whatever history it had, if it is at the commit `expected`, or missing for
 * null. Succeeds if it is already there. Records nothing.
 * @throws UpstreamError `not_fast_forward` if it is elsewhere
 */
export async function pushOver(
  repoPath: string,
  url: string,
  { branch, commit, expected }: { branch: string; commit: string; expected: string | null },
  options: UpstreamOptions,
): Promise<void> {
  const ref = `refs/heads/${branch}`;
  assertRefName(ref);
  assertOid(commit);
  if (expected !== null) assertOid(expected);
  const lease = `--force-with-lease=${ref}:${expected ?? ""}`;
  // The arriving text was within the limit before.
  const { maxBytes: _limit, ...unlimited } = options;
  await push(repoPath, url, [lease], `${commit}:${ref}`, unlimited);
}

async function push(
  repoPath: string,
  url: string,
  more: readonly string[],
  refspec: string,
  options: UpstreamOptions,
): Promise<void> {
  await withUpstream(repoPath, url, "git-receive-pack", options, async (remote) => {
    const args = ["push", "--porcelain", "--progress", "--no-verify", "--no-follow-tags", ...more];
    const flags = ["--no-signed", "--recurse-submodules=no", "--end-of-options", "upstream"];
    const { exitCode, stdout, stderr } = await remote([...args, ...flags, refspec], {
      onStderr: progressReader(options.onProgress),
      okExitCodes: [0, 1],
    });
    if (exitCode !== 0) throw refusalOf(stdout.toString("utf8"), stderr);
  });
}

/** Parses git's status line of the branch (git-push(1), --porcelain). */
function refusalOf(output: string, stderr: string): UpstreamError {
  const [, kind, why = ""] = /^!\t\S+\t\[([a-z ]+)\](?: \((.*)\))?$/m.exec(output) ?? [];
  if (kind === "rejected" || /non-fast-forward|fetch first|stale info/.test(why)) {
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
