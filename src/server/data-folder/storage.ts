import { join } from "node:path";

/** Where things lie in the data folder: the one place that knows. All ids are UUIDs or checked names. */
export interface Storage {
  /** The folder below which all repositories lie, one folder for each organization. */
  readonly repositories: string;
  /** Below which all overlays of agents' folders lie, and where it is tried whether they work. */
  readonly overlays: string;
  /** Below which the folders that agents work in lie. */
  readonly workspaces: string;
  /** Below which the layers lie that overlays share. */
  readonly layers: string;
  /** Where mail is written to when no mail server is set. */
  readonly outbox: string;
  /** Where the database is dumped to before it is migrated. */
  readonly dumps: string;
  /** The bare repository of a project. Stores are never shared across organizations. */
  repository(orgId: string, projectId: string): string;
  /** The folder that an agent works in. */
  workspace(orgId: string, agentName: string): string;
  /** Where the logs of a project's runs lie. */
  runLogs(orgId: string, projectId: string): string;
  runLog(orgId: string, projectId: string, runId: string): string;
  /** The folder below which all logs lie. */
  readonly logs: string;
  /** The server's index of that folder: apart from it, so that the agent cannot write it. */
  workspaceIndex(orgId: string, agentId: string): string;
  /** What that folder is made of, where it is an overlay. The agent never sees it. */
  overlay(orgId: string, agentId: string): string;
  /** The layers that a project's overlays share. */
  lowers(orgId: string, projectId: string): string;
}

export function storageIn(dataDir: string): Storage {
  return {
    repositories: join(dataDir, "repositories"),
    overlays: join(dataDir, "overlays"),
    workspaces: join(dataDir, "workspaces"),
    layers: join(dataDir, "lowers"),
    outbox: join(dataDir, "outbox"),
    dumps: join(dataDir, "dumps"),
    repository: (orgId, projectId) => join(dataDir, "repositories", orgId, `${projectId}.git`),
    workspace: (orgId, agentName) => join(dataDir, "workspaces", orgId, `ws_${agentName}`),
    logs: join(dataDir, "logs"),
    runLogs: (orgId, projectId) => join(dataDir, "logs", orgId, projectId),
    runLog: (orgId, projectId, runId) => join(dataDir, "logs", orgId, projectId, `${runId}.log`),
    workspaceIndex: (orgId, agentId) => join(dataDir, "indexes", orgId, `${agentId}.index`),
    overlay: (orgId, agentId) => join(dataDir, "overlays", orgId, agentId),
    lowers: (orgId, projectId) => join(dataDir, "lowers", orgId, projectId),
  };
}
