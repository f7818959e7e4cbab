/** Rules for pushed refs that do not depend on commits. */
import type { Actor } from "../../../access/authenticate.js";
import { commitsAmong } from "#git/smart-http/inspect-push.js";
import type { PushCommand } from "#git/smart-http/receive-pack.js";
import { isAncestor } from "#git/store/repository.js";
import type { PushedRef } from "../workspaces/index.js";

/** Branches with this prefix belong to agents' workspaces. */
const AGENT_BRANCH_PREFIX = "refs/heads/workspace-";

/**
 * Returns the reason to reject a ref for this caller, or the workspace whose branch it is (null for
 * other branches and tags).
 */
export async function checkPushedRef(
  { ref, from, to }: PushCommand,
  actor: Pick<Actor, "agent">,
  agentOfBranch: (branch: string) => Promise<string | undefined>,
): Promise<{ refusal: string } | { agentId: string | null }> {
  const name = /^refs\/(?:heads|tags)\/(.+)$/.exec(ref)?.[1];
  if (name === undefined) return { refusal: "only branches and tags can be pushed" };
  if (!isPlainName(name)) {
    return { refusal: "choose a plain ASCII name of at most 200 characters that git accepts" };
  }
  const isTag = ref.startsWith("refs/tags/");
  const agentId = ref.startsWith(AGENT_BRANCH_PREFIX)
    ? await agentOfBranch(ref.slice("refs/heads/".length))
    : undefined;
  if (actor.agent && agentId !== actor.agent.id) {
    return { refusal: `the key of the agent ${actor.agent.name} can only push to its own branch` };
  }
  if (to === null) return { refusal: "a push cannot delete refs" };
  if (ref.startsWith(AGENT_BRANCH_PREFIX) && agentId === undefined) {
    return {
      refusal: "no workspace has this branch; the prefix workspace- is reserved for agents",
    };
  }
  if (isTag && from !== null) return { refusal: "tags cannot be moved; choose another name" };
  return { agentId: agentId ?? null };
}

/** Whether git accepts the name and people can read and type it. */
function isPlainName(name: string): boolean {
  return (
    /^[!-,./-~][!-~]{0,199}$/.test(name) &&
    !/[~^:?*[\\]|\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)|[./]$|^[./@]|^@$|^HEAD$/.test(name)
  );
}

/**
 * Returns the reasons to reject ref updates after inspecting the pushed objects, by ref; the others may
 * proceed.
 * @param repository contains the pushed objects
 * @param refs current refs
 */
export async function rejectedUpdates(
  repository: string,
  wanted: readonly PushedRef[],
  refs: readonly { ref: string; sha: string }[],
): Promise<Map<string, string>> {
  const now = new Map(refs.map(({ ref, sha }) => [ref, sha]));
  const objections = new Map<string, string>();
  const tips = wanted.map(({ to }) => to);
  const { commits, tags } = await commitsAmong(repository, tips);
  for (const { ref, from, to } of wanted) {
    const isTag = ref.startsWith("refs/tags/");
    if (!commits.has(to) && !(isTag && tags.has(to))) {
      objections.set(
        ref,
        isTag ? "a tag must point to a commit" : "a branch must point to a commit",
      );
    } else if (from !== null && now.get(ref) !== from) {
      // The other commit is not named, because it may be hidden from the caller.
      objections.set(ref, "the branch has changed; fetch, merge or rebase, and push again");
    } else if (from !== null && !(await isAncestor(repository, from, to))) {
      objections.set(
        ref,
        "history cannot be rewritten; fetch, merge or rebase, and push without force",
      );
    }
  }
  return objections;
}
