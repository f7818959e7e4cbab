import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Client } from "#shared/contract/client.js";
import { interleave, median, ms, spread, timed, times, type Benchmark } from "./support/harness.js";
import {
  changeSevenFiles,
  importProject,
  makeRepository,
  repositoryPaths,
} from "./support/repository.js";
import { withServer } from "./support/server.js";

const rounds = 11;
const rivals = 20;

interface Crowd {
  projectId: string;
  agentIds: string[];
  folders: string[];
}

/** The cost of conflict detection for concurrent commits. */
export const radar: Benchmark = {
  name: "radar",
  method:
    "POST …/commits of seven changed files among 2 000, sent right after another commit of the same " +
    `project so that the radar is busy. A project of ${rivals} more workspaces that all conflict ` +
    `with each other alternates with a project of two workspaces without conflicts; ${rounds} ` +
    "rounds. The radar becomes idle between measurements.",
  run: async (folder, log) => {
    const source = await makeRepository(folder);
    const options = { dataDir: join(folder, "data"), env: { OMOI_IMPORT_ROOTS: folder } };
    return withServer(options, async (_server, api) => {
      const busy = await makeCrowd(api, source, "busy", 2 + rivals);
      const shared = repositoryPaths[0] ?? "";
      for (const [at, place] of busy.folders.entries()) {
        await writeFile(join(place, shared), `export const owner = ${at};\n`);
        await commit(api, busy, at);
      }
      const calm = await makeCrowd(api, source, "calm", 2);
      await untilCurrent(api, busy);
      await untilCurrent(api, calm);
      const looks: number[] = [];
      const measure = async (crowd: Crowd, round: number): Promise<number> => {
        const [other, own] = crowd.folders;
        await appendFile(join(other ?? "", "notes.txt"), `round ${round}\n`);
        await changeSevenFiles(own ?? "", round);
        await commit(api, crowd, 0);
        const figure = await timed(() => commit(api, crowd, 1));
        const look = await timed(() => untilCurrent(api, crowd));
        if (crowd === busy && round > 0) looks.push(look);
        if (round % 5 === 0) log(`round ${round} of ${rounds}`);
        return figure;
      };
      const figures = await interleave(rounds, {
        busy: (round) => measure(busy, round),
        calm: (round) => measure(calm, round),
      });
      const { data } = await api.radar.project({ params: { project_id: busy.projectId } });
      const [withRadar, without] = [median(figures.busy), median(figures.calm)];
      return [
        {
          label: "Checkpoint of 7 files while the radar checks 22 conflicting workspaces",
          result: ms(withRadar),
          baseline: `${ms(without)}, two workspaces without a conflict`,
          ratio: `${times(withRadar / without)} (${spread(figures.busy, figures.calm)})`,
          target: "at most 1.5 ×",
          met: withRadar / without <= 1.5,
        },
        {
          label: `… from its response until all ${data.total_pairs} conflicting pairs are found`,
          result: ms(median(looks)),
          baseline: "",
          ratio: "",
          target: "",
          met: null,
        },
      ];
    });
  },
};

async function makeCrowd(api: Client, source: string, name: string, size: number): Promise<Crowd> {
  const projectId = await importProject(api, source);
  const crowd: Crowd = { projectId, agentIds: [], folders: [] };
  for (let at = 0; at < size; at += 1) {
    const body = { project_id: projectId, name: `${name}-${at}` };
    const { data: agent } = await api.agents.create({ body });
    const { data } = await api.workspaces.create({ params: { agent_id: agent.id } });
    if (data.working_directory === null) throw new Error("the workspace has no folder");
    crowd.agentIds.push(agent.id);
    crowd.folders.push(data.working_directory);
  }
  return crowd;
}

async function commit(api: Client, { agentIds }: Crowd, at: number): Promise<void> {
  const { data } = await api.workspaces.createCommit({
    params: { agent_id: agentIds[at] ?? "" },
    body: { commit_type: "checkpoint" },
  });
  if (!data.created) throw new Error("nothing was committed");
}

async function untilCurrent(api: Client, { projectId }: Crowd): Promise<void> {
  for (;;) {
    const { data } = await api.radar.project({ params: { project_id: projectId } });
    if (data.is_current) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
