import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Workspace } from "#shared/api/code/workspaces.js";
import type { Client } from "#shared/contract/client.js";
import {
  interleave,
  median,
  ms,
  spread,
  timed,
  times,
  type Benchmark,
  type Row,
} from "./support/harness.js";
import { changeSevenFiles, importProject, makeRepository } from "./support/repository.js";
import { withServer } from "./support/server.js";

const installed = 20_000;
const workspaces = 50;
const rounds = 15;

/** Writes files of an environment, in folders of 100. */
const script = `i=0
while [ $i -lt ${installed / 100} ]; do
  mkdir -p node_modules/package-$i
  j=0
  while [ $j -lt 100 ]; do
    echo "module.exports = $i$j;" > node_modules/package-$i/$j.js
    j=$((j+1))
  done
  i=$((i+1))
done`;

/** The cost of a layer below the files of workspaces. */
export const environments: Benchmark = {
  name: "environments",
  method:
    `Two projects with the same repository of 2 000 files; the environment of one has ${installed} ` +
    `installed files. POST …/workspace from request to response, ${workspaces} times in each project by ` +
    "turns, and the sums compared. Checkpoints: POST …/commits after 7 changed files, in the first " +
    `workspace of each project by turns, median of ${rounds}.`,
  run: async (folder, log) => {
    const source = await makeRepository(folder);
    const options = { dataDir: join(folder, "data"), env: { OMOI_IMPORT_ROOTS: folder } };
    return withServer(options, async (_server, api) => {
      const { data: state } = await api.sandbox.get();
      if (state.mode === "unavailable") {
        log(`no sandbox available: ${state.reason}`);
        return [];
      }
      const withLayer = await makeProject(api, source);
      const without = await makeProject(api, source);
      log("building the environment");
      await build(api, withLayer);
      const made: Record<"ours" | "theirs", Workspace[]> = { ours: [], theirs: [] };
      const create = async (project_id: string, into: Workspace[], round: number) => {
        const name = `worker-${round}`;
        const { data: agent } = await api.agents.create({ body: { project_id, name } });
        const params = { agent_id: agent.id };
        return timed(async () => {
          into.push((await api.workspaces.create({ params })).data);
        });
      };
      const creation = await interleave(workspaces, {
        ours: (round) => {
          log(`workspace ${round} of ${workspaces}`);
          return create(withLayer, made.ours, round);
        },
        theirs: (round) => create(without, made.theirs, round),
      });
      const save = async (workspace: Workspace | undefined, round: number): Promise<number> => {
        const { working_directory, agent_id } = workspace as Workspace;
        await changeSevenFiles(working_directory as string, round);
        const body = { commit_type: "checkpoint" } as const;
        return timed(() => api.workspaces.createCommit({ params: { agent_id }, body }));
      };
      const saving = await interleave(rounds, {
        ours: (round) => save(made.ours[0], round),
        theirs: (round) => save(made.theirs[0], round),
      });
      const sum = (figures: readonly number[]): number =>
        figures.reduce((all, one) => all + one, 0);
      return [
        compared(
          `${workspaces} workspaces with an environment of ${installed} files`,
          creation,
          sum,
          2,
        ),
        compared("A checkpoint of 7 changed files with the environment", saving, median, 1.1),
      ];
    });
  },
};

async function makeProject(api: Client, source: string): Promise<string> {
  const project_id = await importProject(api, source);
  const { data: agent } = await api.agents.create({ body: { project_id, name: "first" } });
  const params = { agent_id: agent.id };
  const { data } = await api.workspaces.create({ params });
  await writeFile(join(data.working_directory as string, ".gitignore"), "node_modules/\n");
  await api.workspaces.createMerge({ params, body: {} });
  return project_id;
}

async function build(api: Client, project_id: string): Promise<void> {
  const params = { project_id };
  await api.environments.set({ params, body: { setup_script: script } });
  for (;;) {
    const [newest] = (await api.environments.builds({ params, query: {} })).data;
    if (newest?.status === "succeeded") return;
    if (newest?.status === "failed") throw new Error(`the build failed: ${newest.detail}`);
    await pause(200);
  }
}

function compared(
  label: string,
  { ours, theirs }: Record<"ours" | "theirs", number[]>,
  figureOf: (figures: readonly number[]) => number,
  target: number,
): Row {
  const [own, other] = [figureOf(ours), figureOf(theirs)];
  return {
    label,
    result: ms(own),
    baseline: `${ms(other)}, without an environment`,
    ratio: `${times(own / other)} (${spread(ours, theirs)})`,
    target: `at most ${target} ×`,
    met: own / other <= target,
  };
}
