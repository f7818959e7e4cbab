import { nothingSeen } from "../seen/changes.js";
import { findSeen, markAnswered, type SeenKey } from "../seen/seen.queries.js";
import type { Place } from "../place.queries.js";
import type { WorkDeps } from "../work-deps.js";
import { writeOnce } from "../own-comments.js";

/** Says on an issue how to link an account, once for each login and issue. Returns whether it was said now. */
export async function explainLinking(
  { db, clients, publicUrl }: WorkDeps,
  place: Place,
  key: SeenKey & { org_id: string },
  login: string,
): Promise<boolean> {
  const { org_id, forge_id, repository } = place;
  const { kind, number } = key;
  const name = `link ${login.toLowerCase().replaceAll(/[^\w.-]/g, "")}`;
  const known = await db.tenant(org_id, (tx) => isAnswered(tx, key, login));
  if (known) return false;
  const link = `${publicUrl()}/settings/profile`;
  const body = `@${login}, this was ignored: your account is not linked to a person in Omoi. Link it at ${link}, or ask an admin of the organization to. Then say it again.`;
  await clients.use(org_id, forge_id, (forge) =>
    writeOnce(forge, { repository, kind, number }, { name, body, since: place.linked_at }),
  );
  return db.tenant(org_id, (tx) => markAnswered(tx, key, login, nothingSeen));
}

async function isAnswered(
  tx: Parameters<typeof findSeen>[0],
  key: SeenKey,
  login: string,
): Promise<boolean> {
  return (await findSeen(tx, key))?.answered.includes(login) === true;
}
