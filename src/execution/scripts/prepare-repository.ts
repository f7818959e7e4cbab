import type { ReadOnlyFolder } from "#sandbox/sandbox.js";
import { PREPARE } from "./repository-scripts.js";
import type { FolderScript, RunScript } from "./run-script.js";

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

/** The branches of a run's repository. */
export interface RunBranches {
  agent: { id: string; name: string };
  /** The ref of the workspace's branch, and the commit that is checked out. */
  ref: string;
  head: string;
  baseRef: string;
  /** Null if the base branch is missing. */
  baseCommit: string | null;
  /** Ids, maybe abbreviated, of commits of earlier runs that the server has taken. */
  taken: readonly string[];
}

/**
 * Makes or updates the repository in a workspace's folder. Nothing may run in the folder.
 * @param readOnly folders of objects that the repository borrows
 */
export async function prepareRepository(
  runScript: RunScript,
  place: Pick<FolderScript, "folder" | "uid">,
  { agent, ref, head, baseRef, baseCommit, taken }: RunBranches,
  readOnly: readonly ReadOnlyFolder[],
): Promise<PreparedRepository> {
  let said = "";
  const failure = await runScript({
    ...place,
    script: PREPARE,
    args: [
      ref,
      head,
      baseRef,
      baseCommit ?? "",
      agent.name,
      `${agent.id}@agents.omoi`,
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
