/*
 * The requests by which pages get their data, each named once, by neighborhood; `pages.ts` lists those of
 * each page. The web app adds the query of each (src/web/app/page-queries.ts). The server sends responses
 * along with the page (src/server/pages/pages.ts), but for those that are large or slow.
 */

interface Source {
  /** Path of the API's request; variables begin with a dollar sign. */
  path: `/${string}`;
  /** Whether the server sends the response along with the page. */
  isSent: boolean;
}

const sent = (path: Source["path"]): Source => ({ path, isSent: true });
/** Large or slow, or on pages where the server sends nothing; only the variables of the path matter. */
const unsent = (path: Source["path"]): Source => ({ path, isSent: false });

export const sources = {
  me: sent("/auth/me"),
  signInMethods: sent("/auth/methods"),
  apiKeys: sent("/auth/api-keys?limit=200"),
  apiKey: unsent("/auth/api-keys/$keyId"),

  organizations: sent("/organizations?limit=200"),
  organization: sent("/organizations/$orgId"),
  permissions: sent("/organizations/$orgId/permissions"),
  members: sent("/organizations/$orgId/members?limit=200"),
  usage: sent("/organizations/$orgId/usage"),
  timeline: unsent("/organizations/$orgId/runs"),
  statement: unsent("/organizations/$orgId/statements/$period"),
  forge: sent("/organizations/$orgId/forges/$forgeId"),
  invitation: unsent("/invitations/$token"),

  projects: sent("/projects?limit=200&organization_id=$orgId"),
  project: sent("/projects/$projectId"),
  radar: sent("/projects/$projectId/radar"),
  recentMerges: sent("/projects/$projectId/merges?limit=5"),
  merges: unsent("/projects/$projectId/merges"),
  mergeQueue: sent("/projects/$projectId/merge-queue?limit=200"),
  endedRequests: unsent("/projects/$projectId/merge-queue"),
  mergeRequest: sent("/merge-requests/$requestId"),
  branches: sent("/projects/$readyProjectId/branches?limit=20"),
  graph: unsent("/projects/$readyProjectId/graph"),
  workspaces: unsent("/projects/$projectId/workspaces"),
  checks: sent("/projects/$projectId/checks?limit=200"),
  workspace: sent("/agents/$agentId/workspace"),
  changes: unsent("/agents/$agentId/workspace/changes"),
  commit: sent("/agents/$agentId/workspace/commits/$sha"),
  diff: sent("/agents/$agentId/workspace/commits/$shortSha/diff"),
  merge: sent("/agents/$agentId/workspace/merges/$mergeId"),

  task: sent("/tasks/$taskId"),
  tasks: sent("/organizations/$orgId/tasks?limit=50&sort=urgency&status=unfinished"),
  projectTasks: sent("/projects/$projectId/tasks?limit=50&sort=urgency&status=unfinished"),
  automations: sent("/projects/$projectId/automations?limit=200"),
  automation: sent("/projects/$projectId/automations/$automationId"),
  attention: sent("/organizations/$orgId/attention?limit=200"),
  work: sent("/organizations/$orgId/work?limit=200"),
  runningWork: sent("/organizations/$orgId/work?limit=200&running=true"),
  projectWork: sent("/organizations/$orgId/work?limit=200&project_id=$projectId"),
  agents: sent("/agents?limit=200&organization_id=$orgId"),
  projectAgents: sent("/agents?limit=200&project_id=$projectId"),
  agent: sent("/agents/$agentId"),
  firstWorkspace: sent("/agents/$firstAgentId/workspace"),
  sessions: sent("/agents/$agentId/sessions?limit=25"),
  session: sent("/sessions/$sessionId"),
  notificationSettings: unsent("/notifications"),

  run: sent("/runs/$runId"),
  runs: sent("/agents/$agentId/runs?limit=25"),
  environment: unsent("/projects/$projectId/environment"),
  sandbox: unsent("/sandbox"),

  user: unsent("/admin/users/$userId"),
  node: unsent("/admin/nodes/$nodeId"),
  nodes: unsent("/admin/nodes"),
  nodeProjects: unsent("/admin/nodes/$nodeId/projects"),
} as const satisfies Record<string, Source>;

export type SourceName = keyof typeof sources;

/**
 * Values of the variables in the paths of sources: those of the page's address, and those that responses
 * have told (`learn`), of which the first stays: `orgId` and `projectId`; `readyProjectId`, a project
 * whose import has ended; `firstAgentId`, the first agent with a workspace; `shortSha`, a commit whose
 * diff is short enough to send along.
 */
export type Variables = Map<string, string>;

/** Returns the path that a source requests; undefined while a variable is unknown. */
export function requestOf(name: SourceName, known: Variables): string | undefined {
  const path = sources[name].path.replaceAll(/\$(\w+)/g, (all, variable: string) => {
    return known.get(variable) ?? all;
  });
  return path.includes("$") ? undefined : path;
}

/**
 * Yields sources in rounds, and removes them from the set: those whose variables are known, then those
 * whose variables the responses of the round before have told.
 */
export function* roundsOf(
  waiting: Set<SourceName>,
  known: Variables,
): Generator<readonly SourceName[]> {
  for (;;) {
    const ready = [...waiting].filter((name) => requestOf(name, known) !== undefined);
    if (ready.length === 0) return;
    for (const name of ready) waiting.delete(name);
    yield ready;
  }
}

/** Maximum number of changed lines. A larger diff would delay the page. */
const shortDiff = 1000;

/** Fields of a response that hold variables. */
interface Told {
  id?: string;
  organization_id?: string;
  project_id?: string;
  status?: string;
  commit_sha?: string;
  additions?: number;
  deletions?: number;
}

/** Adds the variables that the response of a source tells; null, of an unknown object, tells none. */
export function learn(known: Variables, name: SourceName, response: unknown): void {
  if (response === null) return;
  const set = (variable: string, value: string | undefined): void => {
    if (value !== undefined && !known.has(variable)) known.set(variable, value);
  };
  if (name === "agents") {
    const agents = response as { id: string; workspace_branch: string | null }[];
    set("firstAgentId", agents.find(({ workspace_branch }) => workspace_branch !== null)?.id);
    return;
  }
  const told = response as Told;
  // The address may have its slug.
  if (name === "organization" && told.id !== undefined) known.set("orgId", told.id);
  set("orgId", told.organization_id);
  set("projectId", told.project_id);
  if (name === "project" && told.status === "ready") set("readyProjectId", told.id);
  if (name === "commit" && (told.additions ?? 0) + (told.deletions ?? 0) <= shortDiff)
    set("shortSha", told.commit_sha);
}
