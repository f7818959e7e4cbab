import type { KeyUsage } from "#shared/api/api-keys.js";
import type { Actor } from "../../../access/authenticate.js";
import { keyAccess, type KeyDeps } from "../key-access.js";
import * as queries from "../api-keys.queries.js";
import { fewerScopes, organizationsIn, shownScope } from "../scopes.js";
import { permissionUsesOf, requestsOf } from "./key-usage.queries.js";

const lookBackDays = 30;
/** More are no help to anybody. */
const mostSuggested = 500;

/** What a key was used for; what this process has counted is written first. @throws AppError 404 */
export async function readUsage(
  { db, keyring }: Pick<KeyDeps, "db" | "keyring">,
  actor: Actor,
  keyId: string,
  days: number,
): Promise<KeyUsage> {
  const key = await keyAccess(db, actor, keyId);
  await keyring.flush();
  const found = await db.withSystem("read what a key was used for", async (tx) => {
    const actsIn = key.scopes.includes("*:*")
      ? await queries.organizationsOfKey(tx, key.id)
      : organizationsIn(key.scopes).filter((id) => !key.shut_out_of.includes(id));
    const uses = await permissionUsesOf(tx, keyId, lookBackDays);
    const named = uses.flatMap(({ organization_id }) => organization_id ?? []);
    const slugs = await queries.slugsOf(tx, [...new Set([...actsIn, ...named])]);
    return { actsIn, uses, slugs, requests: await requestsOf(tx, keyId, days) };
  });
  const { actsIn, uses, slugs, requests } = found;
  const fewer = key.status === "active" ? fewerScopes(key.scopes, actsIn, uses) : null;
  return {
    since: new Date(Date.now() - (days - 1) * 86_400_000).toISOString().slice(0, 10),
    requests,
    permissions: uses.map((use) => ({
      ...use,
      organization_slug: slugs.get(use.organization_id ?? "") ?? null,
    })),
    suggested_scopes:
      fewer === null || fewer.length > mostSuggested
        ? null
        : fewer.map((scope) => shownScope(scope, slugs)),
  };
}
