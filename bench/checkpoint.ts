import { join } from "node:path";
import { snapshotFolder } from "#git/snapshot/snapshot-folder.js";
import { checkoutDriver } from "#git/worktree/worktree-driver.js";
import { resolveTree } from "#git/store/repository.js";
import {
  command,
  interleave,
  median,
  ms,
  spread,
  timed,
  times,
  type Benchmark,
} from "./support/harness.js";
import { changeSevenFiles, importProject, makeRepository } from "./support/repository.js";
import { withServer } from "./support/server.js";

const rounds = 21;

/** The most frequent operation of agents. */
export const checkpoint: Benchmark = {
  name: "checkpoint",
  method:
    `POST …/commits of seven changed files among 2 000, from request to response, in ${rounds} ` +
    "rounds that alternate with `git add -A && git commit` in a checkout of the same files on the " +
    `same disk. "Snapshot only" reads the folder and writes the tree in the benchmark's process.`,
  run: async (folder, log) => {
    const source = await makeRepository(folder);
    const checkout = join(folder, "checkout");
    await command("git", ["clone", "--quiet", "--no-local", source, checkout], folder);
    const places = {
      repoPath: source,
      folder: join(folder, "snapshots"),
      indexFile: join(folder, "indexes/snapshots.index"),
    };
    const commit = (await command("git", ["rev-parse", "main"], source)).trim();
    await checkoutDriver.create({ ...places, commit });
    let parentTree = await resolveTree(source, commit);
    const options = { dataDir: join(folder, "data"), env: { OMOI_IMPORT_ROOTS: folder } };
    return withServer(options, async (_server, api) => {
      const project_id = await importProject(api, source);
      const body = { project_id, name: "worker-1" };
      const { data: agent } = await api.agents.create({ body });
      const params = { agent_id: agent.id };
      const { data: workspace } = await api.workspaces.create({ params });
      const figures = await interleave(rounds, {
        api: async (round) => {
          if (round % 5 === 0) log(`round ${round} of ${rounds}`);
          await changeSevenFiles(workspace.working_directory as string, round);
          return timed(async () => {
            const { data } = await api.workspaces.createCommit({
              params,
              body: { commit_type: "checkpoint" },
            });
            if (data.files_changed !== 7) throw new Error(`${data.files_changed} files changed`);
          });
        },
        snapshot: async (round) => {
          await changeSevenFiles(places.folder, round);
          return timed(async () => {
            parentTree = (await snapshotFolder({ ...places, parentTree })).tree;
          });
        },
        commit: async (round) => {
          await changeSevenFiles(checkout, round);
          const line = 'git add -A && git commit --quiet -m "Seven files"';
          return timed(() => command("sh", ["-c", line], checkout));
        },
      });
      const commitMs = median(figures.commit);
      const baseline = `${ms(commitMs)}, git add -A && git commit`;
      const [ours, snapshot] = [median(figures.api), median(figures.snapshot)];
      return [
        {
          label: "Checkpoint of 7 files among 2 000, through the API",
          result: ms(ours),
          baseline,
          ratio: `${times(ours / commitMs)} (${spread(figures.api, figures.commit)})`,
          target: "at most 1.3 ×",
          met: ours / commitMs <= 1.3,
        },
        {
          label: "… snapshot only",
          result: ms(snapshot),
          baseline,
          ratio: `${times(snapshot / commitMs)} (${spread(figures.snapshot, figures.commit)})`,
          target: "",
          met: null,
        },
      ];
    });
  },
};
