import { queryOptions } from "@tanstack/react-query";
import type {
  HeldPermissions,
  PermissionExplanation,
} from "#shared/api/organization/organizations.js";
import type { Permission } from "#shared/permissions.js";
import { client, everyPage } from "../../client.js";
import { withVersion } from "../../incoming.js";

/** Common key prefix: invalidating it refreshes everything about organizations. */
export const organizationsKey = ["organizations"] as const;

export const organizationsQuery = queryOptions({
  queryKey: [...organizationsKey, "list"],
  queryFn: ({ signal }) => everyPage((query) => client.organizations.list({ query }, { signal })),
});

/**
 * Includes archived organizations. Its key extends `organizationsKey`, so both lists are invalidated
 * together.
 */
export const allOrganizationsQuery = queryOptions({
  queryKey: [...organizationsQuery.queryKey, "all"],
  queryFn: ({ signal }) =>
    everyPage((query) =>
      client.organizations.list({ query: { ...query, include_archived: "true" } }, { signal }),
    ),
});

export const organizationQuery = (orgId: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "details"],
    queryFn: async ({ signal }) =>
      withVersion(await client.organizations.get({ params: { org_id: orgId } }, { signal })),
    structuralSharing: false,
  });

export const usageQuery = (orgId: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "usage"],
    queryFn: async ({ signal }) =>
      (await client.usage.get({ params: { org_id: orgId } }, { signal })).data,
  });

export const permissionsQuery = (orgId: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "permissions"],
    queryFn: async ({ signal }) =>
      (await client.organizations.permissions({ params: { org_id: orgId } }, { signal }))
        .data as HeldPermissions,
  });

/** Whether the viewer has a permission, and why. */
export const explanationQuery = (orgId: string, check: Permission) =>
  queryOptions({
    queryKey: [...permissionsQuery(orgId).queryKey, check],
    queryFn: async ({ signal }) =>
      (
        await client.organizations.permissions(
          { params: { org_id: orgId }, query: { check } },
          { signal },
        )
      ).data as PermissionExplanation,
  });

/**
 * Whether a slug is available to an organization, or to a new one. The form reports failures on submit.
 */
export const slugAvailabilityQuery = (slug: string, orgId: string | null) =>
  queryOptions({
    queryKey: [...organizationsKey, "slug", slug, orgId],
    queryFn: async ({ signal }) =>
      (
        await client.organizations.slugAvailability(
          { query: { slug, organization_id: orgId ?? undefined } },
          { signal },
        )
      ).data,
    retry: false,
  });

export const membersQuery = (orgId: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "members"],
    queryFn: ({ signal }) =>
      everyPage((query) => client.members.list({ params: { org_id: orgId }, query }, { signal })),
  });

export const invitationsQuery = (orgId: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "invitations"],
    queryFn: ({ signal }) =>
      everyPage((query) =>
        client.invitations.list({ params: { org_id: orgId }, query }, { signal }),
      ),
  });

/** A role, with its ETag. */
export const roleQuery = (orgId: string, roleId: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "roles", roleId],
    queryFn: async ({ signal }) =>
      withVersion(
        await client.roles.get({ params: { org_id: orgId, role_id: roleId } }, { signal }),
      ),
    structuralSharing: false,
  });

export const rolesQuery = (orgId: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "roles"],
    queryFn: ({ signal }) =>
      everyPage((query) => client.roles.list({ params: { org_id: orgId }, query }, { signal })),
  });
