import { and, asc, eq, gt, inArray, ne, sql } from "drizzle-orm";
import type { Secret } from "#shared/api/execution/secrets.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { users } from "../../../db/tables/identity-tables.js";
import { organizations, projects, secrets } from "../../../db/tables/tables.js";

/** An organization, or a project of it, with its secrets. */
export interface SecretOwner {
  orgId: string;
  /** Null for the organization itself. */
  projectId: string | null;
}

/** The id under which the owner's secrets are stored. */
export const ownerId = ({ orgId, projectId }: SecretOwner): string => projectId ?? orgId;

const secretColumns = {
  name: secrets.name,
  kind: secrets.kind,
  provider: secrets.provider,
  base_url: secrets.base_url,
  created_at: secrets.created_at,
  updated_at: secrets.updated_at,
  set_by: {
    id: users.id,
    name: sql<string>`coalesce(${users.full_name}, ${users.email})`,
  },
};

export function listSecrets(
  tx: Queryable,
  owner: SecretOwner,
  after: string,
  limit: number,
): Promise<Secret[]> {
  return tx
    .select(secretColumns)
    .from(secrets)
    .innerJoin(users, eq(users.id, secrets.set_by))
    .where(and(eq(secrets.owner_id, ownerId(owner)), gt(secrets.name, after)))
    .orderBy(asc(secrets.name))
    .limit(limit);
}

export async function findSecret(
  tx: Queryable,
  owner: SecretOwner,
  name: string,
): Promise<Secret | undefined> {
  const [row] = await tx
    .select(secretColumns)
    .from(secrets)
    .innerJoin(users, eq(users.id, secrets.set_by))
    .where(and(eq(secrets.owner_id, ownerId(owner)), eq(secrets.name, name)));
  return row;
}

/** Returns the name of the owner's secret for a provider. */
export async function findOfProvider(
  tx: Queryable,
  owner: SecretOwner,
  provider: string,
): Promise<string | null> {
  const [row] = await tx
    .select({ name: secrets.name })
    .from(secrets)
    .where(and(eq(secrets.owner_id, ownerId(owner)), eq(secrets.provider, provider)));
  return row?.name ?? null;
}

/** Returns the number of the owner's secrets except one, and their stored size in bytes. */
export async function measureOthers(
  tx: Queryable,
  owner: SecretOwner,
  name: string,
): Promise<{ count: number; bytes: number }> {
  const [row] = await tx
    .select({
      count: sql<number>`count(*)::int`,
      bytes: sql<number>`coalesce(sum(octet_length(${secrets.sealed})), 0)::int`,
    })
    .from(secrets)
    .where(and(eq(secrets.owner_id, ownerId(owner)), ne(secrets.name, name)));
  return row as { count: number; bytes: number };
}

export async function putSecret(
  tx: Queryable,
  { orgId, projectId }: SecretOwner,
  {
    name,
    ...value
  }: Required<
    Pick<
      typeof secrets.$inferInsert,
      "name" | "kind" | "provider" | "base_url" | "sealed" | "set_by"
    >
  >,
): Promise<void> {
  const set = { ...value, updated_at: sql<string>`now()` };
  await tx
    .insert(secrets)
    .values({ org_id: orgId, project_id: projectId, name, ...set })
    .onConflictDoUpdate({ target: [secrets.owner_id, secrets.name], set });
}

/** Returns false if the secret does not exist. */
export async function deleteSecret(
  tx: Queryable,
  owner: SecretOwner,
  name: string,
): Promise<boolean> {
  const rows = await tx
    .delete(secrets)
    .where(and(eq(secrets.owner_id, ownerId(owner)), eq(secrets.name, name)))
    .returning({ name: secrets.name });
  return rows.length > 0;
}

/** Deletes the secrets of a deleted project. */
export async function deleteSecretsOf(tx: Queryable, projectId: string): Promise<void> {
  await tx.delete(secrets).where(eq(secrets.project_id, projectId));
}

/** Returns the owner's name; undefined for a deleted project. */
export async function findOwnerName(
  tx: Queryable,
  { orgId, projectId }: SecretOwner,
): Promise<string | undefined> {
  const [row] =
    projectId === null
      ? await tx
          .select({ name: organizations.name })
          .from(organizations)
          .where(eq(organizations.id, orgId))
      : await tx
          .select({ name: projects.name })
          .from(projects)
          .where(and(eq(projects.id, projectId), sql`${projects.deleted_at} is null`));
  return row?.name;
}

export interface StoredSecret {
  owner_id: string;
  name: string;
  /** Of a model secret; null for a variable. */
  provider: string | null;
  sealed: Buffer;
}

/** Lists the secrets of an organization, then those of a project. */
export async function listOfRuns(
  tx: Queryable,
  orgId: string,
  projectId: string,
): Promise<StoredSecret[]> {
  return tx
    .select({
      owner_id: secrets.owner_id,
      name: secrets.name,
      provider: secrets.provider,
      sealed: secrets.sealed,
    })
    .from(secrets)
    .where(inArray(secrets.owner_id, [orgId, projectId]))
    .orderBy(sql`${secrets.project_id} nulls first`, asc(secrets.name));
}
