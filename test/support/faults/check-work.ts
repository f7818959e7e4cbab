import { storageIn } from "#server/data-folder/storage.js";
import { git } from "../git/git.js";
import type { Journal } from "./journal.js";
import type { World } from "./world.js";

interface History {
  commits: ReadonlySet<string>;
  /** Numbers of commits of the branch that add a path. */
  additions: ReadonlyMap<string, number>;
}

/** Reads the history of a branch, where each merge counts as one commit. */
async function readHistory(repository: string, branch: string): Promise<History> {
  const read = (...args: string[]): Promise<string> =>
    git(["-c", "safe.directory=*", "--git-dir", repository, ...args]);
  const name = `refs/heads/${branch}`;
  if ((await read("for-each-ref", name)) === "")
    return { commits: new Set(), additions: new Map() };
  const commits = new Set((await read("rev-list", name)).split("\n"));
  const additions = new Map<string, number>();
  const log = ["log", "--first-parent", "-m", "--diff-filter=A", "--name-only", "--format="];
  for (const path of (await read(...log, name)).split("\n").filter(Boolean)) {
    additions.set(path, (additions.get(path) ?? 0) + 1);
  }
  return { commits, additions };
}

/** Every acknowledged commit, merge and push is in git and in the database once, and no other one twice. */
export async function checkWork(world: World, journal: Journal): Promise<string[]> {
  const { organizationId, projects, installation } = world;
  const faults: string[] = [];
  const histories = new Map<string, History>();
  const historyOf = async (projectId: string, branch: string): Promise<History> => {
    const key = `${projectId} ${branch}`;
    const home = projects.find(({ id }) => id === projectId)?.home;
    const storage = storageIn(home?.dataDir ?? "");
    const repository = storage.repository(organizationId, projectId);
    const history = histories.get(key) ?? (await readHistory(repository, branch));
    histories.set(key, history);
    return history;
  };
  const rows = async (query: string): Promise<Map<string, number>> => {
    const found = await installation.postgres.query<{ sha: string; rows: number }>(query);
    return new Map(found.map(({ sha, rows: count }) => [sha, count]));
  };
  const recorded = {
    commits: await rows(
      "select commit_sha as sha, count(*)::int as rows from workspace_commits where state = 'recorded' group by 1",
    ),
    merges: await rows(
      "select merge_commit as sha, count(*)::int as rows from merges where state = 'done' group by 1",
    ),
    pushes: null,
  };
  for (const kind of ["commits", "merges", "pushes"] as const) {
    for (const { projectId, branch, path, isAcknowledged, sha } of journal[kind]) {
      const { commits, additions } = await historyOf(projectId, branch);
      const times = additions.get(path) ?? 0;
      if (times > 1) faults.push(`${path} is in ${times} commits of ${branch}`);
      if (!isAcknowledged) continue;
      if (times === 0) faults.push(`${path} was acknowledged and is not in ${branch}`);
      if (sha === null) continue;
      if (!commits.has(sha)) faults.push(`${sha} of ${path} is not in ${branch}`);
      const count = recorded[kind]?.get(sha) ?? 0;
      if (recorded[kind] && count !== 1) faults.push(`${count} rows for ${sha} of ${path}`);
    }
  }
  const found = await installation.postgres.query<{
    id: string;
    status: string;
    error: string | null;
  }>("select id, status, checkpoint_error as error from runs");
  const runs = new Map(found.map((row) => [row.id, row]));
  for (const { projectId, branch, marker, id } of journal.runs) {
    const { additions } = await historyOf(projectId, branch);
    const times = additions.get(marker) ?? 0;
    const row = runs.get(id);
    if (times > 1) faults.push(`the file of ${marker} is in ${times} commits`);
    if (row?.status === "succeeded" && times === 0) {
      faults.push(`${marker} (${id}) has succeeded without its file: ${row.error ?? "no error"}`);
    }
  }
  return faults;
}
