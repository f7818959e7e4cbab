import type { ReadOnlyFolder } from "#sandbox/sandbox.js";
import { branchRef, type ActiveWorkspace, type WorkspaceDeps } from "../workspace.js";
import { exportBranches } from "./export-branches.js";
import { PREPARE } from "./run-scripts.js";

/** A script in a workspace's folder, run before or after its command. */
export interface FolderScript {
  folder: string;
  uid: number | null;
  script: string;
  args: readonly string[];
  readOnly: readonly ReadOnlyFolder[];
  /** Called with each chunk of standard output. If it rejects, the script is killed. */
  onOutput: (chunk: Buffer) => void | Promise<void>;
  /** Ends the script. */
  signal?: AbortSignal;
}

/**
 * Runs a shell script in a sandbox without network, within a time limit. Returns why it failed, as a
 * sentence; null if it succeeded.
 * @throws the error of `onOutput`
 */
export type RunScript = (script: FolderScript) => Promise<string | null>;

/** The repository of a run. */
export interface PreparedRepository {
  /** To be shown to the command. */
  readOnly: readonly ReadOnlyFolder[];
  /** Why the run has no repository; null if it has one. */
  problem: string | null;
  /** New branches in it, with commits of earlier runs that were not taken. */
  untaken: string[];
}

const UNTAKEN = "untaken ";
const MAX_MESSAGE = 2000;

/**
 * Makes or updates the repository in the workspace's folder, for the holder of its lock. Nothing may
 * run in the folder.
 * @param taken ids, maybe abbreviated, of commits of earlier runs that the server has taken
 */
export async function prepareRepository(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
  place: Pick<FolderScript, "folder" | "uid">,
  runScript: RunScript,
  taken: readonly string[],
): Promise<PreparedRepository> {
  const { agent_id, agent_name, branch_name, base_branch, head_commit } = workspace;
  const { readOnly, baseCommit } = await exportBranches(deps, workspace);
  let said = "";
  const failure = await runScript({
    ...place,
    script: PREPARE,
    args: [
      branchRef(branch_name),
      head_commit,
      branchRef(base_branch),
      baseCommit ?? "",
      agent_name,
      `${agent_id}@agents.omoi`,
      String(taken.length),
      ...taken,
      ...readOnly.map(({ path }) => path),
    ],
    readOnly,
    onOutput: (chunk) => {
      said = (said + chunk.toString("utf8")).slice(0, MAX_MESSAGE);
    },
  });
  const lines = said.trim().split("\n");
  const problem = lines.filter((line) => !line.startsWith(UNTAKEN)).join("\n");
  const untaken = lines.flatMap((line) =>
    line.startsWith(UNTAKEN) ? line.slice(UNTAKEN.length) : [],
  );
  return { readOnly, problem: problem || failure, untaken };
}
