import { hash } from "node:crypto";
import type { Logger } from "pino";
import type { ApiKey } from "#shared/api/api-keys.js";
import { isKnownPattern, matches } from "#shared/permissions.js";
import { batched } from "../../db/batch.js";
import { cached } from "../../db/cache.js";
import { differences, type Change } from "../../db/audit.js";
import { newId } from "../../db/columns.js";
import type { Database, Queryable } from "../../db/connect.js";
import { AppError, invalidField, notFound } from "../../errors.js";
import { invalidToken, type Actor } from "../../http/authenticate.js";
import { scopesIn } from "../../http/authorize.js";
import type { ActorContext } from "../../http/mount.js";
import { generateKey, hashKey, hintOf, isWellFormed } from "./key.js";
import * as repository from "./repository.js";

export interface NewKey {
  name: string;
  description?: string | null | undefined;
  scopes?: string[] | undefined;
  organization_id?: string | null | undefined;
  expires_in_days?: number | null | undefined;
  expires_at?: string | null | undefined;
}

export interface ApiKeyService {
  /** Makes a key; the only answer that ever holds it. @throws AppError 403 `privilege_escalation`; 422 */
  create(context: ActorContext, input: NewKey): Promise<ApiKey & { key: string }>;
  list(actor: Actor, after: string | null, limit: number): Promise<ApiKey[]>;
  get(actor: Actor, keyId: string): Promise<ApiKey>;
  update(
    context: ActorContext,
    keyId: string,
    changes: { name?: string | undefined; description?: string | null | undefined },
  ): Promise<ApiKey>;
  revoke(context: ActorContext, keyId: string): Promise<void>;
  /** The actor behind a key. @throws AppError 401 */
  actorOf(key: string, ip: string): Promise<Actor>;
  /** Writes the last uses that are still in memory and stops writing. */
  close(): Promise<void>;
}

const flushMs = 30_000;

export function createApiKeyService(
  db: Database,
  settings: { secret: string; keyPrefix: string },
  log: Logger,
): ApiKeyService {
  const { secret, keyPrefix } = settings;
  const usable = cached<repository.UsableKey>({
    changes: db.changes,
    load: batched((hashes) => repository.findUsableKeys(db.systemPool, hashes)),
    sourcesOf: ({ hash, user_id, org_id }) => [
      `key ${hash}`,
      `user ${user_id}`,
      // A key for one organization alone ends with it.
      ...(org_id === null ? [] : [`organization ${org_id}` as const]),
    ],
    until: ({ expires_at }) => expires_at?.getTime() ?? Number.POSITIVE_INFINITY,
  });

  /** The stored hash of a key that was used before, by a digest that is quicker to make. */
  const hashes = new Map<string, string>();
  const hashOf = (key: string): string => {
    const digest = hash("sha256", key, "base64");
    const known = hashes.get(digest);
    if (known !== undefined) return known;
    if (!isWellFormed(keyPrefix, key)) throw invalidToken();
    const made = hashKey(secret, key).toString("hex");
    if (hashes.size >= 10_000) hashes.clear();
    hashes.set(digest, made);
    return made;
  };

  const uses = new Map<string, { at: Date; ip: string }>();
  const flush = async (): Promise<void> => {
    const batch = [...uses].map(([id, use]) => ({ id, ...use }));
    uses.clear();
    if (batch.length > 0) await repository.writeLastUses(db.systemPool, batch);
  };
  const timer = setInterval(() => {
    flush().catch((error: unknown) => log.warn({ err: error }, "last uses were not written"));
  }, flushMs);
  timer.unref();

  /** A key that the actor may see: his own, within the scopes of the key he comes with. */
  const own = async (actor: Actor, keyId: string): Promise<repository.StoredKey> => {
    const key = await db.withSystem("find one's own key", (tx) =>
      repository.findKey(tx, actor.userId, keyId),
    );
    if (!key || !scopesWithin(actor, key.scopes)) throw notFound();
    return key;
  };
  const shown = async (keys: repository.StoredKey[]): Promise<ApiKey[]> => {
    const orgIds = new Set(keys.flatMap((key) => key.scopes.map(organizationOf)));
    const slugs = await db.withSystem("name the organizations of keys", (tx) =>
      repository.slugsOf(
        tx,
        [...orgIds].filter((id) => id !== null),
      ),
    );
    return keys.map((key) => ({
      ...key,
      scopes: key.scopes.map((scope) => shownScope(scope, slugs)),
      is_active: key.status === "active",
      agent_id: null,
      allowed_ips: null,
    }));
  };
  const shownOne = async (key: repository.StoredKey): Promise<ApiKey> =>
    (await shown([key]))[0] as ApiKey;

  return {
    create: async (context, input) => {
      const { actor } = context;
      const scopes = await resolveScopes(db, actor, input);
      const expires_at = expiryOf(input);
      await refuseBeyond(db, actor, scopes, expires_at);
      const key = generateKey(keyPrefix);
      const orgIds = new Set(scopes.map(organizationOf));
      const stored = await db.systemChange(context, async (tx, tell) => {
        const inserted = await repository.insertKey(tx, {
          id: newId(),
          user_id: actor.userId,
          name: input.name,
          description: input.description ?? null,
          key_hash: hashKey(secret, key),
          ...hintOf(keyPrefix, key),
          scopes,
          org_id: orgIds.size === 1 ? ([...orgIds][0] ?? null) : null,
          expires_at,
        });
        await tellOfKey(tx, tell, "api_key.created", null, inserted);
        return inserted;
      });
      return { ...(await shownOne(stored)), key };
    },

    list: async (actor, after, limit) => {
      const visible: repository.StoredKey[] = [];
      // A key sees only some of its owner's keys: reads on until the page is full.
      for (let from = after; ;) {
        const keys = await db.withSystem("list one's keys", (tx) =>
          repository.listKeys(tx, actor.userId, from, limit),
        );
        visible.push(...keys.filter((key) => scopesWithin(actor, key.scopes)));
        from = keys.at(-1)?.id ?? null;
        if (keys.length < limit || visible.length >= limit) return shown(visible.slice(0, limit));
      }
    },

    get: async (actor, keyId) => shownOne(await own(actor, keyId)),

    update: async (context, keyId, { name, description }) => {
      const before = await own(context.actor, keyId);
      const changes = {
        ...(name === undefined ? {} : { name }),
        ...(description === undefined ? {} : { description }),
      };
      if (Object.keys(changes).length > 0) {
        await db.systemChange(context, async (tx, tell) => {
          const after = await repository.updateKey(tx, keyId, changes);
          if (after) await tellOfKey(tx, tell, "api_key.updated", before, after);
        });
      }
      return shownOne(await own(context.actor, keyId));
    },

    revoke: async (context, keyId) => {
      await own(context.actor, keyId);
      await db.systemChange(context, async (tx, tell) => {
        const revoked = await repository.revokeKey(tx, keyId);
        if (revoked) await tellOfKey(tx, tell, "api_key.revoked", revoked, null);
      });
    },

    actorOf: async (key, ip) => {
      const found = await usable(hashOf(key));
      if (!found) throw invalidToken();
      uses.set(found.id, { at: new Date(), ip });
      return {
        userId: found.user_id,
        session: null,
        key: { id: found.id, scopes: found.scopes },
      };
    },

    close: async () => {
      clearInterval(timer);
      await flush();
    },
  };
}

/** Tells every organization where a key can act of what happened to it. */
async function tellOfKey(
  tx: Queryable,
  tell: (orgId: string, change: Change) => void,
  action: "api_key.created" | "api_key.updated" | "api_key.revoked",
  before: repository.StoredKey | null,
  after: repository.StoredKey | null,
): Promise<void> {
  const key = after ?? before;
  if (!key) return;
  const scoped = new Set(key.scopes.map(organizationOf));
  const orgIds = scoped.has(null) ? await repository.organizationsOfKey(tx, key.id) : [...scoped];
  for (const orgId of orgIds) {
    if (orgId === null) continue;
    // Of a key for several organizations each is told of its own part.
    const within = (stored: repository.StoredKey | null) =>
      stored && {
        ...stored,
        scopes: stored.scopes
          .filter((scope) => [null, orgId].includes(organizationOf(scope)))
          .map((scope) => scope.replace(`org:${orgId}:`, "")),
      };
    const fields = ["name", "description", "key_hint", "scopes", "expires_at"] as const;
    const changes = differences(within(before), within(after), fields);
    if (Object.keys(changes).length === 0) continue;
    tell(orgId, { action, target: { type: "api_key", id: key.id, name: key.name }, changes });
  }
}

const scopeShape = /^org:([^:]+):(.+)$/;

/** The organization's id in a stored scope; null for `*:*`. */
function organizationOf(scope: string): string | null {
  return scopeShape.exec(scope)?.[1] ?? null;
}

function shownScope(scope: string, slugs: Map<string, string>): string {
  const orgId = organizationOf(scope);
  return orgId === null ? scope : scope.replace(orgId, slugs.get(orgId) ?? orgId);
}

/** The scopes asked for, with the organizations' ids in place of their slugs. */
async function resolveScopes(db: Database, actor: Actor, input: NewKey): Promise<string[]> {
  const orgId = input.organization_id ?? null;
  const visibleBySlug = async (slugs: string[]): Promise<Map<string, string>> => {
    const found = await db.withSystem("find the organizations of a key", (tx) =>
      repository.memberOrganizations(tx, actor.userId, slugs),
    );
    return new Map([...found].filter(([, id]) => scopesIn(actor, id).length > 0));
  };
  let wanted = input.scopes;
  if (orgId !== null) {
    const slugs = await db.withSystem("find the organization of a key", (tx) =>
      repository.slugsOf(tx, [orgId]),
    );
    const slug = slugs.get(orgId);
    if (slug === undefined || !(await visibleBySlug([slug])).has(slug)) {
      const msg = "names no organization that you are in";
      throw outOfSight(actor, invalidField("organization_id", msg, "unknown_id"));
    }
    wanted ??= [`org:${slug}:*`];
  }
  wanted ??= ["*:*"];
  const slugs = wanted.flatMap((scope) => scopeShape.exec(scope)?.[1] ?? []);
  const organizations = await visibleBySlug(slugs);
  const scopes = wanted.map((scope, index) => {
    if (scope === "*:*") return scope;
    const [, slug, pattern] = scopeShape.exec(scope) ?? [];
    const id = slug === undefined ? undefined : organizations.get(slug);
    if (pattern === undefined) {
      throw invalidScope(index, "must be *:*, org:<slug>:* or org:<slug>:<permission>");
    }
    if (id === undefined) {
      const msg = `names no organization that you are in: "${slug}"`;
      throw outOfSight(actor, invalidScope(index, msg));
    }
    if (pattern !== "*" && !isKnownPattern(pattern)) {
      throw invalidScope(index, `is not a known permission: "${pattern}"`);
    }
    if (orgId !== null && id !== orgId) {
      throw invalidScope(index, "names another organization than organization_id");
    }
    return `org:${id}:${pattern === "*:*" ? "*" : pattern}`;
  });
  return [...new Set(scopes)];
}

/** To a key of some organizations all others are beyond it, whether they are there or not. */
function outOfSight(actor: Actor, unknown: AppError): AppError {
  return !actor.key || actor.key.scopes.includes("*:*") ? unknown : beyondKey();
}

function beyondKey(): AppError {
  return new AppError(
    "privilege_escalation",
    "A key can make only keys within its own scopes; sign in to make this one.",
  );
}

function invalidScope(index: number, message: string): AppError {
  return new AppError("validation_failed", `scopes: ${message}.`, {
    errors: [{ loc: ["body", "scopes", index], msg: message, type: "invalid_scope" }],
  });
}

function expiryOf(input: NewKey): string | null {
  if (input.expires_in_days != null) {
    return new Date(Date.now() + input.expires_in_days * 86_400_000).toISOString();
  }
  if (input.expires_at == null) return null;
  const at = new Date(input.expires_at);
  if (at.getTime() <= Date.now()) {
    throw invalidField("expires_at", "is in the past; give a time to come", "in_the_past");
  }
  return at.toISOString();
}

/** Whether every scope lies within those of the credential. */
function scopesWithin(actor: Actor, scopes: readonly string[]): boolean {
  return (
    !actor.key || scopes.every((scope) => actor.key?.scopes.some((own) => scopeCovers(own, scope)))
  );
}

function scopeCovers(wide: string, narrow: string): boolean {
  if (wide === "*:*" || wide === narrow) return true;
  const [, wideOrg, widePattern = ""] = scopeShape.exec(wide) ?? [];
  const [, narrowOrg, narrowPattern = ""] = scopeShape.exec(narrow) ?? [];
  if (wideOrg === undefined || wideOrg !== narrowOrg) return false;
  return widePattern === "*" || (narrowPattern !== "*" && matches(widePattern, narrowPattern));
}

/** A key makes no key that reaches further or lives longer than itself. */
async function refuseBeyond(
  db: Database,
  actor: Actor,
  scopes: string[],
  expiresAt: string | null,
): Promise<void> {
  if (!actor.key) return;
  const beyond = scopes.find((scope) => !scopesWithin(actor, [scope]));
  if (beyond !== undefined) throw beyondKey();
  const maker = await db.withSystem("check the expiry of the making key", (tx) =>
    repository.findKey(tx, actor.userId, actor.key?.id as string),
  );
  if (maker?.expires_at && (expiresAt === null || expiresAt > maker.expires_at)) {
    throw new AppError(
      "privilege_escalation",
      `A key can make only keys that end when it does, at ${maker.expires_at}, or sooner.`,
    );
  }
}
