import { join } from "node:path";

/** The paths of all stored data below the data folder. All ids are UUIDs or validated names. */
export interface Storage {
  /** The parent of all repositories, with one folder per organization. */
  readonly repositories: string;
  /** The parent of all overlays; overlay support is probed here. */
  readonly overlays: string;
  /** The parent of the agents' working folders. */
  readonly workspaces: string;
  /** The parent of the folders in which commits are checked, with one folder per organization. */
  readonly checks: string;
  /** The parent of the layers shared by overlays. */
  readonly layers: string;
  /** Emails are written here when no mail server is configured. */
  readonly outbox: string;
  /** Database dumps are written here before migrations. */
  readonly dumps: string;
  /** The bare repository of a project. Object stores are never shared across organizations. */
  repository(orgId: string, projectId: string): string;
  /** The working folder of an agent. */
  workspace(orgId: string, agentName: string): string;
  /** The home of an agent's runs. */
  home(orgId: string, agentId: string): string;
  /** The folder of a check's run. */
  check(orgId: string, runId: string): string;
  /** The folder of a project's run logs. */
  runLogs(orgId: string, projectId: string): string;
  runLog(orgId: string, projectId: string, runId: string): string;
  /** The parent of all run logs. */
  readonly logs: string;
  /** The events of a session, beside the logs of its runs. */
  transcript(orgId: string, projectId: string, sessionId: string): string;
  /** The parent of the indexes of working folders, with one folder per organization. */
  readonly indexes: string;
  /** The server's git index of a workspace, outside of its folder so that the agent cannot write it. */
  workspaceIndex(orgId: string, agentId: string): string;
  /** The upper layer of an overlay workspace, invisible to the agent. */
  overlay(orgId: string, agentId: string): string;
  /** The base layers shared by a project's overlays. */
  projectLayers(orgId: string, projectId: string): string;
  /** The parent of all environment layers, with one folder per organization. */
  readonly environments: string;
  /** The environment layers of a project. */
  projectEnvironments(orgId: string, projectId: string): string;
  /** The layer that the run of a build made. */
  environmentLayer(orgId: string, projectId: string, runId: string): string;
  /** The exported objects that runs of a project borrow. */
  exports(orgId: string, projectId: string): string;
}

export function storageIn(dataDir: string): Storage {
  return {
    repositories: join(dataDir, "repositories"),
    overlays: join(dataDir, "overlays"),
    workspaces: join(dataDir, "workspaces"),
    checks: join(dataDir, "checks"),
    layers: join(dataDir, "lowers"),
    environments: join(dataDir, "environments"),
    outbox: join(dataDir, "outbox"),
    dumps: join(dataDir, "dumps"),
    repository: (orgId, projectId) => join(dataDir, "repositories", orgId, `${projectId}.git`),
    workspace: (orgId, agentName) => join(dataDir, "workspaces", orgId, `ws_${agentName}`),
    home: (orgId, agentId) => join(dataDir, "homes", orgId, agentId),
    check: (orgId, runId) => join(dataDir, "checks", orgId, runId),
    logs: join(dataDir, "logs"),
    runLogs: (orgId, projectId) => join(dataDir, "logs", orgId, projectId),
    runLog: (orgId, projectId, runId) => join(dataDir, "logs", orgId, projectId, `${runId}.log`),
    transcript: (orgId, projectId, sessionId) =>
      join(dataDir, "logs", orgId, projectId, `session-${sessionId}.log`),
    indexes: join(dataDir, "indexes"),
    workspaceIndex: (orgId, agentId) => join(dataDir, "indexes", orgId, `${agentId}.index`),
    overlay: (orgId, agentId) => join(dataDir, "overlays", orgId, agentId),
    exports: (orgId, projectId) => join(dataDir, "exports", orgId, projectId),
    projectEnvironments: (orgId, projectId) => join(dataDir, "environments", orgId, projectId),
    environmentLayer: (orgId, projectId, runId) =>
      join(dataDir, "environments", orgId, projectId, runId),
    projectLayers: (orgId, projectId) => join(dataDir, "lowers", orgId, projectId),
  };
}
