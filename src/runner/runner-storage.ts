import { join } from "node:path";
import { HOME, WORKSPACE } from "#sandbox/sandbox.js";
import type { WorktreePaths } from "#git/worktree/worktree-driver.js";

/** The paths of a runner's data below its folder. All ids are UUIDs. */
export interface RunnerStorage {
  readonly dataDir: string;
  /** The parent of the folders of runs. */
  readonly runs: string;
  /** The parent of everything that is kept of projects between runs. */
  readonly projects: string;
  /** The parent of overlays; overlay support is probed here. */
  readonly overlays: string;
  /** Everything of one project. */
  project(projectId: string): string;
  /** The mirror of a project, which no command ever sees. */
  repository(projectId: string): string;
  /** Objects that commands may read. */
  exports(projectId: string): string;
  /**
   * Returns where commands find exported objects.
   * @param index of the folder, from 0
   */
  shownAt(objects: string, index: number): string;
  /** An environment layer by its key. */
  environment(projectId: string, key: string): string;
  /** The paths of the build of an environment layer. */
  build(projectId: string, key: string): RunPaths;
  run(runId: string): RunPaths;
}

/** The paths of one run, or of the build of an environment. */
export interface RunPaths {
  /** The folder of everything below. */
  root: string;
  /** The state file; see `RunState`. */
  state: string;
  log: string;
  home: string;
  /** Work that is being sent. */
  work: string;
  /** The parts of the working tree. */
  worktree(projectId: string): WorktreePaths;
}

export function runnerStorage(dataDir: string): RunnerStorage {
  const project = (id: string): string => join(dataDir, "projects", id);
  const overlays = join(dataDir, "overlays");
  const pathsIn = (root: string, name: string): RunPaths => ({
    root,
    state: join(root, "state.json"),
    log: join(root, "run.log"),
    home: join(root, "home"),
    work: join(root, "work"),
    worktree: (projectId) => ({
      repoPath: join(project(projectId), "repository.git"),
      folder: join(root, "workspace"),
      indexFile: join(root, "workspace.index"),
      overlay: join(overlays, name),
      lowers: join(project(projectId), "lowers"),
    }),
  });
  return {
    dataDir,
    runs: join(dataDir, "runs"),
    projects: join(dataDir, "projects"),
    overlays,
    project,
    repository: (id) => join(project(id), "repository.git"),
    exports: (id) => join(project(id), "exports"),
    shownAt: (_objects, index) => `/borrowed/${index}/objects`,
    environment: (id, key) => join(project(id), "environments", key),
    build: (id, key) => pathsIn(join(project(id), "builds", key), `${id}-${key}`),
    run: (runId) => pathsIn(join(dataDir, "runs", runId), runId),
  };
}

/** The same in a pod, where the volumes that it shares with the command's container have their places. */
export function podStorage(dataDir: string): RunnerStorage {
  const storage = runnerStorage(dataDir);
  return {
    ...storage,
    exports: () => BORROWED,
    shownAt: (objects) => objects,
    run: (runId) => {
      const paths = storage.run(runId);
      return {
        ...paths,
        home: HOME,
        worktree: (projectId) => ({ ...paths.worktree(projectId), folder: WORKSPACE }),
      };
    },
  };
}

/** The volume of exported objects in both containers of a pod. */
const BORROWED = "/borrowed";
