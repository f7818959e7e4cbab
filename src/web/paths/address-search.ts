/** Search parameters of the pages. Each function returns the known ones and drops the rest. */
import { type AdminUserSearch, adminUserStates } from "../api/queries/operation/admin.js";
import type { AuditSearch } from "../api/queries/organization/audit.js";
import { type OidcError, oidcErrors } from "#shared/identity/oidc-errors.js";
import type { MergeStrategy } from "#shared/api/code/merges.js";
import type { TaskStatus } from "#shared/api/work/tasks.js";
import { type ForgeOutcome, forgeOutcomes } from "#shared/work/forge-outcomes.js";
import { isUuid } from "#shared/uuid.js";
import { taskStatusOrder } from "#shared/work/task-words.js";
import { mergeStrategies, recordedCommitTypes } from "#shared/code/workspace-choices.js";
import { type DialogSearch, dialogSearchOf } from "../forms/dialog-search.js";
import { type AgentsView, viewSearchOf, type Work, workSearchOf } from "./agent-work.js";
import type { RunSearch } from "../api/queries/execution/runs.js";
import { runSearchOf } from "./run-search.js";
import { type ListSearch, listSearchOf } from "../lists/list-search.js";

type Search = Record<string, unknown>;

export const organizationTabs = [
  "general",
  "resources",
  "members",
  "billing",
  "service-accounts",
  "forges",
  "webhooks",
  "audit",
] as const;
export type OrganizationTab = (typeof organizationTabs)[number];

export const adminTabs = ["users", "usage", "servers", "runners", "maintenance", "audit"] as const;
export type AdminTab = (typeof adminTabs)[number];

/** Whether finished invitations are listed, too. */
export interface InvitationSearch {
  invitations_all?: boolean;
}

/** The project whose agents are listed. */
export interface ProjectFilter {
  project?: string;
}

/** View of the list of organizations, and whether archived ones are included. */
export interface OrganizationSearch extends ListSearch {
  archived?: boolean;
}

/** The type filter of a workspace's commits. */
export interface CommitSearch {
  type?: (typeof recordedCommitTypes)[number];
}

/** The parameters of an operation's preview, as the API names them. */
export interface OperationSearch {
  strategy?: MergeStrategy;
}
export interface MergeSearch extends OperationSearch {
  target?: string;
}
/** The selected files, or all `but` those: whichever is shorter. */
export interface RestoreSearch extends OperationSearch {
  paths?: string[];
  but?: string[];
}

function oneOf<Name extends string>(names: readonly Name[], value: unknown): Name | undefined {
  return names.find((name) => name === value);
}

/** `{ tab }` if it is a known tab; otherwise the page shows its first tab. */
function tabOf<Name extends string>(names: readonly Name[], search: Search): { tab?: Name } {
  const tab = oneOf(names, search["tab"]);
  return tab === undefined ? {} : { tab };
}

export function strategyOf(search: Search): OperationSearch {
  const strategy = oneOf(mergeStrategies, search["strategy"]);
  return strategy === undefined ? {} : { strategy };
}

export function redirectOf(search: Search): { redirect?: string | undefined } {
  return typeof search["redirect"] === "string" ? { redirect: search["redirect"] } : {};
}

export function tokenOf(search: Search): { token?: string } {
  return typeof search["token"] === "string" ? { token: search["token"] } : {};
}

/** The code of a device login; it is checked where it is shown. */
export function codeOf(search: Search): { code?: string } {
  return typeof search["code"] === "string" ? { code: search["code"] } : {};
}

const isDay = (text: string): boolean =>
  /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(`${text}T00:00`));
const auditFilters: Record<keyof AuditSearch, (text: string) => boolean> = {
  action: () => true,
  actor: isUuid,
  from: isDay,
  to: isDay,
};

/** The filters of the audit log. */
export function auditSearchOf(search: Search): AuditSearch {
  return Object.fromEntries(
    Object.entries(auditFilters).flatMap(([name, isValid]) => {
      const value = search[name];
      return typeof value === "string" && isValid(value) ? [[name, value]] : [];
    }),
  );
}

/** The error code of a failed sign-in by the identity provider. */
export function errorOf(search: Search): { error?: OidcError } {
  const error = oneOf(Object.keys(oidcErrors) as OidcError[], search["error"]);
  return error === undefined ? {} : { error };
}

/** The outcome of a visit to a forge in the browser. */
export interface ForgeSearch {
  forge?: ForgeOutcome;
}

export function forgeSearchOf(search: Search): ForgeSearch {
  const forge = oneOf(Object.keys(forgeOutcomes) as ForgeOutcome[], search["forge"]);
  return forge === undefined ? {} : { forge };
}

/** Whether only the viewer's tasks are shown. */
export function homeSearchOf(search: Search): { mine?: true } {
  return search["mine"] === true ? { mine: true } : {};
}

/** Whether finished invitations are listed, too. */
export function invitationSearchOf(search: Search): InvitationSearch {
  return search["invitations_all"] === true ? { invitations_all: true } : {};
}

export function loginSearchOf(search: Search): {
  redirect?: string | undefined;
  error?: OidcError;
  /** Whether the session ended while a page was open. */
  ended?: true;
} {
  const ended = search["ended"] === true ? ({ ended: true } as const) : {};
  return { ...redirectOf(search), ...errorOf(search), ...ended };
}

/** Whether archived organizations are listed, too. */
export function archivedOf(search: Search): Pick<OrganizationSearch, "archived"> {
  return search["archived"] === true ? { archived: true } : {};
}

export function organizationsSearchOf(search: Search): OrganizationSearch {
  return { ...archivedOf(search), ...listSearchOf(search) };
}

/** The filter of the installation's users. */
export function adminUserSearchOf(search: Search): AdminUserSearch {
  const { search: text } = search;
  const state = oneOf(adminUserStates, search["state"]);
  return {
    ...(typeof text === "string" && text !== "" ? { search: text.slice(0, 255) } : {}),
    ...(state === undefined ? {} : { state }),
  };
}

export function adminSearchOf(search: Search): { tab?: AdminTab } & AdminUserSearch {
  return { ...tabOf(adminTabs, search), ...adminUserSearchOf(search) };
}

export const costTabs = ["day", "person", "task", "model"] as const;

/** The month of usage and costs, and what costs are listed by; by default this month and days. */
export interface CostsSearch {
  month?: string;
  costs?: (typeof costTabs)[number];
}

export function costsSearchOf(search: Search): CostsSearch {
  const { month } = search;
  const costs = oneOf(costTabs, search["costs"]);
  return {
    ...(typeof month === "string" && /^\d{4}-(?:0[1-9]|1[0-2])$/.test(month) && { month }),
    ...(costs !== undefined && { costs }),
  };
}

export function settingsSearchOf(
  search: Search,
): { tab?: OrganizationTab } & ForgeSearch &
  AuditSearch &
  InvitationSearch &
  CostsSearch &
  ListSearch {
  return {
    ...forgeSearchOf(search),
    ...costsSearchOf(search),
    ...tabOf(organizationTabs, search),
    ...auditSearchOf(search),
    ...invitationSearchOf(search),
    ...listSearchOf(search, "invitations_", "keys_", "roles_", "disk_", "people_", "tasks_"),
  };
}

export function projectsSearchOf(search: Search): ListSearch & DialogSearch {
  return { ...dialogSearchOf(search), ...listSearchOf(search) };
}

/** The view of a project's list of agents, and whether the dialog for another one is open. */
export function projectAgentsSearchOf(
  search: Search,
): { status?: Work; view?: AgentsView } & ListSearch & DialogSearch {
  return {
    ...dialogSearchOf(search),
    ...viewSearchOf(search),
    ...workSearchOf(search),
    ...listSearchOf(search),
  };
}
export function projectMergesSearchOf(search: Search): ListSearch {
  return listSearchOf(search, "merges_");
}
export function projectBranchesSearchOf(search: Search): ListSearch {
  return listSearchOf(search, "workspaces_");
}

/**
 * The tab of a project's page that shows a list, by a search parameter of the list's view; with the
 * parameters, as a relative address.
 */
export function projectTabOf(search: URLSearchParams): string | undefined {
  const names = [...search.keys()];
  const tab = names.some((name) => name.startsWith("merges_"))
    ? "merges"
    : names.some((name) => name.startsWith("workspaces_"))
      ? "branches"
      : names.some((name) => ["q", "sort", "page", "status"].includes(name))
        ? "agents"
        : undefined;
  return tab && `${tab}?${search.toString()}`;
}

/** The tab of an agent's page that shows its runs, for an address with the view of their list. */
export function agentTabOf(search: URLSearchParams): string | undefined {
  return search.has("run") || search.has("sort") ? `runs?${search.toString()}` : undefined;
}

/** The tab of an agent's page that was a tab of its workspace. */
export function workspaceTabOf(search: URLSearchParams): string | undefined {
  const tab = oneOf(["conflicts", "settings"], search.get("tab"));
  return tab && `../${tab}`;
}

/** The project filter of agents. */
export function projectFilterOf(search: Search): ProjectFilter {
  return typeof search["project"] === "string" ? { project: search["project"] } : {};
}

type AgentsSearch = { status?: Work; view?: AgentsView } & ProjectFilter &
  ListSearch &
  DialogSearch;
export function agentsSearchOf(search: Search): AgentsSearch {
  return {
    ...dialogSearchOf(search),
    ...viewSearchOf(search),
    ...workSearchOf(search),
    ...projectFilterOf(search),
    ...listSearchOf(search),
  };
}

/** Whether the form for another session is shown instead of the newest session. */
export function agentSearchOf(search: Search): DialogSearch & { start?: true } {
  return { ...dialogSearchOf(search), ...(search["start"] === true && { start: true }) };
}

export function agentRunsSearchOf(search: Search): DialogSearch & RunSearch {
  return { ...dialogSearchOf(search), ...runSearchOf(search) };
}

/** The type filter of a workspace's commits. */
export function commitSearchOf(search: Search): CommitSearch {
  const type = oneOf(recordedCommitTypes, search["type"]);
  return type === undefined ? {} : { type };
}

export function workspaceSearchOf(search: Search): DialogSearch & CommitSearch {
  return { ...dialogSearchOf(search), ...commitSearchOf(search) };
}

export function mergeSearchOf(search: Search): MergeSearch {
  return {
    ...strategyOf(search),
    ...(typeof search["target"] === "string" ? { target: search["target"] } : {}),
  };
}

export function restoreSearchOf(search: Search): RestoreSearch {
  const { paths: chosen, but } = search;
  return {
    ...strategyOf(search),
    ...(Array.isArray(chosen) ? { paths: chosen.map(String) } : {}),
    ...(Array.isArray(but) ? { but: but.map(String) } : {}),
  };
}

export const taskGroupings = ["status", "owner", "label", "program"] as const;
export type TaskGrouping = (typeof taskGroupings)[number];

/** The filters of a list of tasks, and its grouping. */
export interface TaskListSearch {
  status?: TaskStatus | "finished";
  mine?: true;
  label?: string;
  q?: string;
  group?: TaskGrouping;
}

export function taskListSearchOf(search: Search): TaskListSearch {
  const status = oneOf([...taskStatusOrder, "finished"] as const, search["status"]);
  const group = oneOf(taskGroupings, search["group"]);
  const { label, q } = search;
  return {
    ...(status !== undefined && { status }),
    ...(group !== undefined && { group }),
    ...(search["mine"] === true && { mine: true }),
    // The router parses a text of digits as a number.
    ...(isWord(label) && { label: String(label).slice(0, 50) }),
    ...(isWord(q) && { q: String(q).slice(0, 200) }),
  };
}

const isWord = (value: unknown): boolean =>
  (typeof value === "string" && value.trim() !== "") || typeof value === "number";

/** The template that a new automation begins from. */
export const templateOf = (search: Search): { template?: string } =>
  typeof search["template"] === "string" ? { template: search["template"].slice(0, 50) } : {};

export const taskParts = ["conversation", "changes", "commits", "runs"] as const;
export type TaskPart = (typeof taskParts)[number];

/** What a task's page shows: an attempt or their comparison, and the part beside the conversation. */
export interface TaskSearch {
  /** Number of the attempt. */
  attempt?: number;
  compare?: true;
  part?: TaskPart;
  /** Whether the changes have the whole width. */
  full?: true;
}

export function taskSearchOf(search: Search): TaskSearch {
  const part = oneOf(taskParts, search["part"]);
  const { attempt } = search;
  return {
    ...(typeof attempt === "number" && Number.isSafeInteger(attempt) && { attempt }),
    ...(search["compare"] === true && { compare: true }),
    ...(part !== undefined && { part }),
    ...(search["full"] === true && { full: true }),
  };
}
