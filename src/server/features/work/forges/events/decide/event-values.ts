/** What texts of automations see of an event, as far as it may be trusted. */
import type { Forge } from "../../forge.js";
import type { RemoteComment, RemoteIssue, RemotePerson } from "../../forge-discussion.js";
import { isOwnComment } from "../own-comments.js";
import type { ThreadComment } from "../seen/changes.js";

/** Maximum characters of a discussion in a prompt; the newest comments are kept. */
const MAX_DISCUSSION = 12_000;

/** Remembers who may write to a repository while an event is worked on. */
export function writers(
  forge: Pick<Forge, "canWrite">,
  repository: string,
): (person: RemotePerson) => Promise<boolean> {
  const known = new Map<string, Promise<boolean>>();
  return (person) => {
    const { login, is_bot } = person;
    if (is_bot || login === "") return Promise.resolve(false);
    const found =
      known.get(login) ??
      forge.canWrite(repository, login).catch((error: unknown) => {
        if ((error as { failure?: string }).failure === "not_found") return false;
        throw error;
      });
    known.set(login, found);
    return found;
  };
}

export interface IssueValues {
  values: { issue: Record<string, unknown> };
  trust: "trusted" | "untrusted";
}

/**
 * Returns an issue with its discussion. Comments of people without write access are part of it only if the issue is by
 * such a person itself, which makes all of the text untrusted.
 */
export async function valuesOfIssue(
  issue: RemoteIssue,
  comments: readonly RemoteComment[],
  mayWrite: (person: RemotePerson) => Promise<boolean>,
): Promise<IssueValues> {
  const isTrusted = await mayWrite(issue.author);
  const shown: RemoteComment[] = [];
  let left = 0;
  for (const comment of comments) {
    if (isOwnComment(comment.body) || comment.author.is_bot) continue;
    if (!isTrusted || (await mayWrite(comment.author))) shown.push(comment);
    else left += 1;
  }
  const discussion = discussionOf(shown, left);
  const { number, title, body, url, labels, author } = issue;
  return {
    values: {
      issue: {
        number,
        title,
        body: [body.trim(), discussion].filter((part) => part !== "").join("\n\n"),
        url,
        labels,
        author: author.login,
      },
    },
    trust: isTrusted ? "trusted" : "untrusted",
  };
}

function discussionOf(comments: readonly RemoteComment[], left: number): string {
  const texts = comments.map(({ author, body }) => `${author.login} wrote:\n\n${body.trim()}`);
  let size = 0;
  const kept = texts.toReversed().filter((text) => (size += text.length) <= MAX_DISCUSSION);
  const omitted = texts.length - kept.length;
  const notes = [
    omitted > 0 ? `(${omitted} earlier comments are left out.)` : "",
    left > 0 ? `(${left} comments of people without write access are left out.)` : "",
  ].filter((note) => note !== "");
  if (kept.length === 0 && notes.length === 0) return "";
  return ["Discussion:", ...notes, ...kept.toReversed()].join("\n\n");
}

/** Returns comments at places of a change as text: each with its file, lines and address. */
export function textOfComments(comments: readonly ThreadComment[]): string {
  return comments
    .map(({ thread, comment }) => {
      const { path, line, start_line } = thread;
      const lines =
        line === null
          ? ""
          : start_line !== null && start_line !== line
            ? ` lines ${start_line}–${line}`
            : ` line ${line}`;
      const side = thread.side === "old" && line !== null ? " (before the change)" : "";
      return `${path}${lines}${side}:\n${comment.body.trim()}`;
    })
    .join("\n\n");
}
