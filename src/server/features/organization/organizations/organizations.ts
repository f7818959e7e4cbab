import { budgetFields } from "#shared/api/organization/budgets.js";
import type { Organization, SlugAvailability } from "#shared/api/organization/organizations.js";
import { reservedReason, slug as slugRule } from "#shared/contract/fields.js";
import { slugFrom } from "#shared/organization/slug-from.js";
import type { Permission } from "#shared/permissions.js";
import { diffFields, type AuditWriter } from "../../../db/audit/audit.js";
import { newId } from "../../../db/tables/columns.js";
import { violatedConstraint, type Database } from "../../../db/connection/connect.js";
import { AppError, invalidField, notFound } from "../../../errors.js";
import { denyMissingPermission, requirePermission } from "../../../access/access.js";
import type { ActorContext, OrgContext } from "../../../http/requests/request-context.js";
import { limitHits } from "../../../access/rate-limit.js";
import { addOwner, transferOwnership } from "../members/index.js";
import { endRuns, waitForEnd } from "../../execution/run-ends/index.js";
import * as queries from "./organizations.queries.js";

/** The installation's upper bounds for organizations' limits. */
export interface Ceilings {
  maxConcurrentAgents: number;
  maxRuntimeHours: number;
}

interface NewOrganization {
  name: string;
  slug?: string | undefined;
  description?: string | null | undefined;
  billing_email?: string | null | undefined;
  settings?: Organization["settings"] | undefined;
  max_concurrent_agents?: number | undefined;
  max_agent_runtime_hours?: number | undefined;
}

/**
 * Creates an organization owned by the caller.
 * @throws AppError 409 `slug_taken` with a `suggestion`; 422 `slug_reserved`; 422 above a ceiling
 */
export async function createOrganization(
  db: Database,
  context: ActorContext,
  input: NewOrganization,
  ceilings: Ceilings,
): Promise<Organization> {
  requireWithinCeilings(input, ceilings);
  const { slug } = input;
  if (slug !== undefined) {
    requireUnreservedSlug(slug);
    try {
      return await insert(db, context, slug, input, ceilings);
    } catch (error) {
      throw isSlugTaken(error) ? await slugTaken(db, slug) : error;
    }
  }
  const base = slugBase(input.name);
  // Serialized, so that each call sees the slugs derived before it.
  return db.locks(context.actor.userId, [`slug ${base}`], async () => {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await insert(db, context, await freeSlug(db, base), input, ceilings);
      } catch (error) {
        // The slug was claimed explicitly meanwhile.
        if (!isSlugTaken(error) || attempt === 4) throw error;
      }
    }
  });
}

async function insert(
  db: Database,
  context: ActorContext,
  slug: string,
  input: NewOrganization,
  ceilings: Ceilings,
): Promise<Organization> {
  const id = newId();
  const { userId } = context.actor;
  return db.change(id, context, async (tx, audit) => {
    const organization = await queries.insertOrganization(tx, {
      id,
      slug,
      name: input.name,
      owner_id: userId,
      description: input.description ?? null,
      billing_email: input.billing_email ?? null,
      settings: input.settings ?? {},
      max_concurrent_agents:
        input.max_concurrent_agents ?? Math.min(5, ceilings.maxConcurrentAgents),
      max_agent_runtime_hours:
        input.max_agent_runtime_hours ?? Math.min(100, ceilings.maxRuntimeHours),
    });
    await addOwner(tx, id, userId);
    audit({
      action: "organization.created",
      target: targetOf(organization),
      changes: diffFields(null, organization, [...describingFields, ...limitFields]),
    });
    return organization;
  });
}

const slugChecks = { hits: 120, seconds: 60 };

/**
 * Checks whether a slug is available to a new organization or to `orgId`, which can reclaim its own
 * slugs.
 * @throws AppError 429 `rate_limited`
 */
export async function checkSlug(
  db: Database,
  userId: string,
  slug: string,
  orgId: string | undefined,
): Promise<SlugAvailability> {
  await limitHits(db, `slug checks ${userId}`, slugChecks);
  const invalid = slugRule.safeParse(slug).error?.issues[0]?.message ?? reservedReason(slug);
  if (invalid !== null) {
    const suggestion = await freeSlug(db, slugBase(slug));
    return { slug, available: false, suggestion, reason: invalid };
  }
  const holder = await db.withSystem("check a slug", (tx) => queries.slugHolder(tx, slug));
  if (holder === undefined || holder === orgId) {
    return { slug, available: true, suggestion: null, reason: null };
  }
  const suggestion = await freeSlug(db, slug);
  return { slug, available: false, suggestion, reason: takenReason(suggestion) };
}

/** Archives the organization: stops its runs and makes it read-only. */
export async function archiveOrganization(context: OrgContext, db: Database): Promise<void> {
  await context.change(async (tx, audit) => {
    await endRuns(tx, {}, "The organization was archived.");
    const organization = await queries.setArchived(tx, context.orgId, true);
    if (!organization) throw notFound();
    audit({ action: "organization.archived", target: targetOf(organization) });
  });
  await waitForEnd(db, context.orgId, {});
}

/** Unarchives the organization; idempotent. */
export async function restoreOrganization(context: OrgContext): Promise<Organization> {
  return context.change(async (tx, audit) => {
    const before = await queries.findOrganization(tx, context.orgId);
    const organization = await queries.setArchived(tx, context.orgId, false);
    if (!organization) throw notFound();
    if (before?.archived_at) {
      audit({ action: "organization.restored", target: targetOf(organization) });
    }
    return organization;
  });
}

/**
 * Transfers the organization to another member, who becomes an owner; the former owner becomes an
 * admin.
 * @throws AppError 422 when the id is not a member's, or is the owner's own
 */
export async function transferOrganization(
  context: OrgContext,
  userId: string,
): Promise<Organization> {
  return context.change(async (tx, audit) => {
    const organization = await queries.findOrganization(tx, context.orgId);
    if (!organization) throw notFound();
    if (organization.owner_id === userId) {
      throw invalidField("user_id", "is already the owner; choose another member", "already_owner");
    }
    await transferOwnership(tx, audit, organization.owner_id, userId);
    const changed = await queries.updateOrganization(tx, context.orgId, { owner_id: userId });
    if (!changed) throw notFound();
    audit({
      action: "organization.transferred",
      target: targetOf(changed),
      changes: diffFields(organization, changed, ["owner_id"]),
    });
    return changed;
  });
}

const fieldPermissions = {
  name: "org:write",
  slug: "org:write",
  description: "org:write",
  settings: "org:write",
  billing_email: "org:billing:write",
  max_concurrent_agents: "org:limits:write",
  max_agent_runtime_hours: "org:limits:write",
  max_model_cost_usd: "org:limits:write",
  max_model_tokens: "org:limits:write",
  allowed_models: "org:limits:write",
  max_open_child_tasks: "org:limits:write",
} as const satisfies Record<string, Permission>;

type OrganizationChanges = {
  [Field in keyof typeof fieldPermissions]?: Organization[Field] | undefined;
};

/**
 * Changes the given fields, all or none. Each field requires its own permission.
 * @throws AppError 403; 409 `slug_taken`; 422 `slug_reserved`; 422 above a ceiling
 */
export async function updateOrganization(
  context: OrgContext,
  db: Database,
  body: OrganizationChanges,
  ceilings: Ceilings,
): Promise<Organization> {
  const changes = Object.fromEntries(
    Object.entries(body).filter(([, value]) => value !== undefined),
  ) as { [Field in keyof OrganizationChanges]: Exclude<OrganizationChanges[Field], undefined> };
  const needed = (Object.keys(changes) as (keyof typeof fieldPermissions)[]).map(
    (field) => fieldPermissions[field],
  );
  for (const permission of needed) requirePermission(context.access, permission);
  requireWithinCeilings(changes, ceilings);
  const { slug } = changes;
  if (slug !== undefined) requireUnreservedSlug(slug);
  const organization = await context.change(async (tx, audit, access) => {
    for (const permission of needed) denyMissingPermission(access, permission);
    const before = await queries.findOrganization(tx, context.orgId);
    // Row-level security hides the slug row of another organization, so no returned row means it is
    // taken.
    if (slug !== undefined && !(await queries.claimSlug(tx, context.orgId, slug))) return "taken";
    const after = await queries.updateOrganization(tx, context.orgId, changes);
    if (before && after) auditChanges(audit, before, after);
    return after;
  });
  if (organization === "taken") throw await slugTaken(db, slug as string);
  if (!organization) throw notFound();
  return organization;
}

const limitFields = [
  "max_concurrent_agents",
  "max_agent_runtime_hours",
  ...budgetFields,
  "allowed_models",
  "max_open_child_tasks",
] as const;
const describingFields = ["name", "slug", "description", "billing_email", "settings"] as const;

const targetOf = ({ id, name }: Organization) => ({ type: "organization", id, name }) as const;

/** Records changed limits as a separate event, so that the log can be filtered for them. */
function auditChanges(audit: AuditWriter, before: Organization, after: Organization): void {
  for (const [action, fields] of [
    ["organization.updated", describingFields],
    ["organization.limits_changed", limitFields],
  ] as const) {
    const changes = diffFields(before, after, fields);
    if (Object.keys(changes).length > 0) audit({ action, target: targetOf(after), changes });
  }
}

function requireWithinCeilings(
  input: Pick<NewOrganization, "max_concurrent_agents" | "max_agent_runtime_hours">,
  ceilings: Ceilings,
): void {
  if ((input.max_concurrent_agents ?? 0) > ceilings.maxConcurrentAgents) {
    throw invalidField(
      "max_concurrent_agents",
      `must be at most ${ceilings.maxConcurrentAgents}, the ceiling of this installation`,
      "too_big",
    );
  }
  if ((input.max_agent_runtime_hours ?? 0) > ceilings.maxRuntimeHours) {
    throw invalidField(
      "max_agent_runtime_hours",
      `must be at most ${ceilings.maxRuntimeHours}, the ceiling of this installation`,
      "too_big",
    );
  }
}

function requireUnreservedSlug(slug: string): void {
  const reason = reservedReason(slug);
  if (reason === null) return;
  throw new AppError("slug_reserved", `${reason}.`, {
    errors: [{ loc: ["body", "slug"], msg: reason, type: "slug_reserved" }],
  });
}

/** Derives a valid slug from a name. A name without letters or digits becomes "organization-…". */
function slugBase(name: string): string {
  const base = slugFrom(name);
  if (base.length >= 2 && reservedReason(base) === null) return base;
  return base === "" ? "organization-1" : `${base}-org`.slice(0, 60);
}

/** Returns the base or its first free numbered variant, within the maximum length of a slug. */
async function freeSlug(db: Database, base: string): Promise<string> {
  const stem = base.slice(0, 56).replace(/-+$/, "");
  const taken = await db.withSystem("derive a slug", (tx) => queries.takenSlugs(tx, base, stem));
  let slug = base;
  for (let number = 2; taken.has(slug); number += 1) slug = `${stem}-${number}`;
  return slug;
}

function takenReason(suggestion: string): string {
  return `is taken; try "${suggestion}"`;
}

async function slugTaken(db: Database, slug: string): Promise<AppError> {
  const suggestion = await freeSlug(db, slug);
  return new AppError("slug_taken", `The slug "${slug}" is taken. Try "${suggestion}".`, {
    suggestion,
    errors: [{ loc: ["body", "slug"], msg: takenReason(suggestion), type: "slug_taken" }],
  });
}

function isSlugTaken(error: unknown): boolean {
  const constraint = violatedConstraint(error);
  return constraint === "organizations_slug_key" || constraint === "organization_slugs_pkey";
}
