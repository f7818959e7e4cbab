import { assertRefName } from "../store/bare-repository.js";
import { withUpstream, type UpstreamOptions } from "./upstream-connection.js";

/** Asks the upstream for the newest commit of a branch; null without it. Fetches nothing. @throws UpstreamError */
export async function readUpstreamBranch(
  repoPath: string,
  url: string,
  branch: string,
  options: UpstreamOptions,
): Promise<string | null> {
  const ref = `refs/heads/${branch}`;
  assertRefName(ref);
  return withUpstream(repoPath, url, "git-upload-pack", options, async (remote) => {
    const { stdout } = await remote(["ls-remote", "--refs", "--end-of-options", "upstream", ref]);
    // The argument is a pattern, which may match the end of longer names.
    const lines = stdout.toString("utf8").split("\n");
    const line = lines.find((one) => one.slice(41) === ref && /^[0-9a-f]{40}\t/.test(one));
    return line?.slice(0, 40) ?? null;
  });
}
