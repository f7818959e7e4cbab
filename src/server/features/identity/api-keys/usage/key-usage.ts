import type { KeyUsage } from "#shared/api/identity/api-keys.js";
import type { Actor } from "../../../../access/authenticate.js";
import { keyAccess, type KeyDeps } from "../key-access.js";
import * as queries from "../api-keys.queries.js";
import { suggestScopes, organizationsIn, presentScope } from "../scopes.js";
import { listPermissionUses, listRequests } from "./key-usage.queries.js";

const lookBackDays = 30;
/** Maximum number of uses from which scopes are suggested. */
const MAX_SUGGESTION_USES = 500;

/**
 * Returns a key's usage, after writing this process's pending counts.
 * @throws AppError 404
 */
export async function readUsage(
  { db, keyring }: Pick<KeyDeps, "db" | "keyring">,
  actor: Actor,
  keyId: string,
  days: number,
): Promise<KeyUsage> {
  const key = await keyAccess(db, actor, keyId);
  await keyring.flush();
  const found = await db.withSystem("read a key's usage", async (tx) => {
    const actsIn = key.scopes.includes("*:*")
      ? await queries.organizationsOfKey(tx, key.id)
      : organizationsIn(key.scopes).filter((id) => !key.shut_out_of.includes(id));
    const uses = await listPermissionUses(tx, keyId, lookBackDays);
    const named = uses.flatMap(({ organization_id }) => organization_id ?? []);
    const slugs = await queries.slugsOf(tx, [...new Set([...actsIn, ...named])]);
    return { actsIn, uses, slugs, requests: await listRequests(tx, keyId, days) };
  });
  const { actsIn, uses, slugs, requests } = found;
  const fewer = key.status === "active" ? suggestScopes(key.scopes, actsIn, uses) : null;
  return {
    since: new Date(Date.now() - (days - 1) * 86_400_000).toISOString().slice(0, 10),
    requests,
    permissions: uses.map((use) => ({
      ...use,
      organization_slug: slugs.get(use.organization_id ?? "") ?? null,
    })),
    suggested_scopes:
      fewer === null || fewer.length > MAX_SUGGESTION_USES
        ? null
        : fewer.map((scope) => presentScope(scope, slugs)),
  };
}
