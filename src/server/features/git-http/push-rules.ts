/** Who may push what. */
import type { Actor } from "../../access/authenticate.js";
import { commitsAmong } from "#git/smart-http/inspect-push.js";
import type { PushCommand } from "#git/smart-http/receive-pack.js";
import { isAncestor } from "#git/store/repository.js";
import type { PushedRef } from "../workspaces/index.js";

/** The agent's whose branch begins so, and nobody else's. */
const ofAgents = "refs/heads/workspace-";

/**
 * Why nobody like this caller pushes the reference, whatever its commits are; else whose workspace's
 * branch it is, null for other branches and tags.
 */
export async function ownerOf(
  { ref, from, to }: PushCommand,
  actor: Pick<Actor, "agent">,
  agentOfBranch: (branch: string) => Promise<string | undefined>,
): Promise<{ refusal: string } | { agentId: string | null }> {
  const name = /^refs\/(?:heads|tags)\/(.+)$/.exec(ref)?.[1];
  if (name === undefined) return { refusal: "only branches and tags are pushed" };
  if (!isPlainName(name)) {
    return { refusal: "choose a name of plain ASCII, of at most 200 characters, that git accepts" };
  }
  const isTag = ref.startsWith("refs/tags/");
  const agentId = ref.startsWith(ofAgents)
    ? await agentOfBranch(ref.slice("refs/heads/".length))
    : undefined;
  if (actor.agent && agentId !== actor.agent.id) {
    return { refusal: `the key of the agent ${actor.agent.name} pushes to its own branch alone` };
  }
  if (to === null) return { refusal: "nothing is deleted by a push" };
  if (ref.startsWith(ofAgents) && agentId === undefined) {
    return { refusal: "no workspace has this branch; branches named workspace-… are the agents'" };
  }
  if (isTag && from !== null) return { refusal: "a tag stays where it is; choose another name" };
  return { agentId: agentId ?? null };
}

/** Whether git takes the name, and people can read and type it. */
function isPlainName(name: string): boolean {
  return (
    /^[!-,./-~][!-~]{0,199}$/.test(name) &&
    !/[~^:?*[\\]|\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)|[./]$|^[./@]|^@$|^HEAD$/.test(name)
  );
}

/**
 * What the objects of a push say against moving references, by name; the others may move.
 * @param repository with the pushed objects; @param refs the references as they are
 */
export async function objectionsTo(
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
      objections.set(ref, isTag ? "a tag has to name a commit" : "a branch has to end in a commit");
    } else if (from !== null && now.get(ref) !== from) {
      // Nothing is said of another commit, which may be hidden from whoever pushes.
      objections.set(ref, "it moved meanwhile; fetch, merge or rebase, and push again");
    } else if (from !== null && !(await isAncestor(repository, from, to))) {
      objections.set(
        ref,
        "what was pushed is never rewritten; fetch, merge or rebase, and push without force",
      );
    }
  }
  return objections;
}
