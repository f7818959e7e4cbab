import { queryOptions } from "@tanstack/react-query";
import type {
  AdminUser,
  InstallationEvent,
  OrganizationUsage,
} from "#shared/api/operation/admin.js";
import type { ClusterNode, NodeProject } from "#shared/api/operation/nodes.js";
import type { ProjectMove } from "#shared/api/operation/project-moves.js";
import type { Runner } from "#shared/api/execution/runners.js";
import { client, everyPage } from "../../client.js";
import type { CursorList } from "../../cursor-pages.js";

/** Filters of the installation's user list. */
export const adminUserStates = ["disabled", "super_admins"] as const;
export interface AdminUserSearch {
  search?: string | undefined;
  state?: (typeof adminUserStates)[number] | undefined;
}

export const adminKey = ["admin"] as const;
const pageSize = 50;

export const userList = ({ search, state }: AdminUserSearch): CursorList<AdminUser> => ({
  queryKey: [...adminKey, "users", "pages", search, state],
  read: (cursor, signal) => {
    const query = {
      limit: pageSize,
      search,
      is_active: state === "disabled" ? ("false" as const) : undefined,
      is_super_admin: state === "super_admins" ? ("true" as const) : undefined,
      cursor,
    };
    return client.admin.users({ query }, { signal });
  },
});

export const adminUserQuery = (userId: string) =>
  queryOptions({
    queryKey: [...adminKey, "user", userId],
    queryFn: async ({ signal }) =>
      (await client.admin.user({ params: { user_id: userId } }, { signal })).data,
  });

export const installationUsageQuery = queryOptions({
  queryKey: [...adminKey, "usage"],
  queryFn: async ({ signal }) => (await client.admin.usage(undefined, { signal })).data,
});

export const organizationUsageList: CursorList<OrganizationUsage> = {
  queryKey: [...adminKey, "organizations", "pages"],
  read: (cursor, signal) =>
    client.admin.organizations({ query: { limit: pageSize, cursor } }, { signal }),
};

export const nodeList: CursorList<ClusterNode> = {
  queryKey: [...adminKey, "nodes", "pages"],
  read: (cursor, signal) => client.nodes.list({ query: { limit: pageSize, cursor } }, { signal }),
};

export const nodeQuery = (nodeId: string) =>
  queryOptions({
    queryKey: [...adminKey, "node", nodeId],
    queryFn: async ({ signal }) =>
      (await client.nodes.get({ params: { node_id: nodeId } }, { signal })).data,
    refetchInterval: 10_000,
  });

/** All servers by name, for choosing one. */
export const nodeChoicesQuery = queryOptions({
  queryKey: [...adminKey, "nodes", "choices"],
  queryFn: ({ signal }) => everyPage((query) => client.nodes.list({ query }, { signal })),
  refetchInterval: 10_000,
});

export const isUnfinished = ({ finished_at }: ProjectMove): boolean => finished_at === null;

/** The projects of a server, read every few seconds while one of them moves. */
export const nodeProjectList = (nodeId: string): CursorList<NodeProject> => ({
  queryKey: [...adminKey, "node-projects", nodeId],
  read: (cursor, signal) =>
    client.nodes.projects(
      { params: { node_id: nodeId }, query: { limit: pageSize, cursor } },
      { signal },
    ),
  refetchInterval: (rows) =>
    rows.some(({ move }) => move !== null && isUnfinished(move)) ? 2000 : 10_000,
});

export const runnerList: CursorList<Runner> = {
  queryKey: [...adminKey, "runners", "pages"],
  read: (cursor, signal) => client.runners.list({ query: { limit: pageSize, cursor } }, { signal }),
  refetchInterval: 10_000,
};

/** All organizations of the installation by name, for choosing one. */
export const organizationChoicesQuery = queryOptions({
  queryKey: [...adminKey, "organizations", "choices"],
  queryFn: async ({ signal }) => {
    const all = await everyPage((query) => client.admin.organizations({ query }, { signal }));
    return all.toSorted((left, right) => left.name.localeCompare(right.name));
  },
});

export const installationEventList: CursorList<InstallationEvent> = {
  queryKey: [...adminKey, "events", "pages"],
  read: (cursor, signal) =>
    client.admin.auditEvents({ query: { limit: pageSize, cursor } }, { signal }),
};
