/** Comments that the server writes on a forge. A marker in each of them says which one it is. */
import { ForgeError, type Forge } from "../forge.js";
import type { Discussed, RemoteComment } from "../forge-discussion.js";
import { escapeMentions } from "../pull-requests/escape-mentions.js";

const PREFIX = "<!-- omoi:";
const MARGIN_MS = 60 * 60_000;

/** Returns the marker of a comment; the forge does not show it. */
export const marker = (name: string): string => `${PREFIX}${name} -->`;

/** Whether the server has written a comment, also with the token of a person. */
export const isOwnComment = (body: string): boolean => body.includes(PREFIX);

/** Returns an agent's words for a comment: they notify no one, run no command, and have no marker. */
export const agentWords = (text: string): string =>
  escapeMentions(text).replaceAll("<!--", "<\u200b!--");

/**
 * Writes a comment once: it is looked for before it is made, since a server may have been killed after it made it.
 * @param since when it can have been made first
 * @returns its id there
 */
export async function writeOnce(
  forge: Forge,
  at: Discussed,
  { name, body, since }: { name: string; body: string; since: string | null },
): Promise<string> {
  const known = await findOwn(forge, at, name, since);
  if (known) return known.id;
  return (await forge.createComment(at, `${body}\n\n${marker(name)}`)).id;
}

async function findOwn(
  forge: Forge,
  at: Discussed,
  name: string,
  since: string | null,
): Promise<RemoteComment | undefined> {
  // The clock of a forge may be behind.
  const from = since && new Date(Date.parse(since) - MARGIN_MS).toISOString();
  const comments = await forge.listComments(at, from);
  return comments.find(({ body }) => body.includes(marker(name)));
}

/** Changes a comment. Returns false if it was deleted there. */
export async function editComment(
  forge: Forge,
  at: Discussed,
  id: string,
  { name, body }: { name: string; body: string },
): Promise<boolean> {
  try {
    await forge.updateComment(at, id, `${body}\n\n${marker(name)}`);
    return true;
  } catch (error) {
    if (error instanceof ForgeError && error.failure === "not_found") return false;
    throw error;
  }
}
