import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Client } from "#shared/contract/client.js";
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
import { importProject, makeRepository, repositoryPaths } from "./support/repository.js";
import { withServer } from "./support/server.js";

const files = 2000;
const branches = 10;
const rounds = 5;
/** The check of every merge. */
const check = ["sleep", "1"];

/** A queue of merges whose combined files are checked, beside one merge and check after another. */
export const mergeQueue: Benchmark = {
  name: "queue",
  method:
    `${branches} branches that change a file each are merged into a protected branch of a repository of 2 000 ` +
    `files, with the check \`${check.join(" ")}\` in the sandbox: from the first POST …/merges with queue: true to the ` +
    "end of the last request, two checks at once. In turn with `git merge` and the same check after each merge in a " +
    "checkout, on the same disk.",
  run: async (folder, log) => {
    const source = await makeRepository(folder, files);
    const checkout = join(folder, "checkout");
    await command("git", ["clone", "--quiet", "--no-local", source, checkout], folder);
    await mkdir(join(folder, "data"));
    const options = { dataDir: join(folder, "data"), env: { OMOI_IMPORT_ROOTS: folder } };
    return withServer(options, async (_server, api) => {
      const project_id = await importProject(api, source);
      const params = { project_id };
      await api.mergeQueue.setCheck({
        params: { ...params, name: "test" },
        body: { command: check },
      });
      const protected_branches = [{ pattern: "main", checks: ["test"] }];
      await api.projects.update({ params, body: { protected_branches } });
      const prepared: { agents: string[]; names: string[] }[] = [];
      for (let round = 0; round <= rounds; round += 1) {
        log(`round ${round}: ${branches} branches`);
        prepared.push(await prepareRound(api, project_id, checkout, round));
      }
      const figures = await interleave(rounds, {
        ours: (round) => timed(() => landAll(api, prepared[round]?.agents ?? [])),
        theirs: (round) => timed(() => mergeAll(checkout, prepared[round]?.names ?? [])),
      });
      const ratio = median(figures.ours) / median(figures.theirs);
      return [
        {
          label: `${branches} merges through the queue, each checked for 1 s`,
          result: ms(median(figures.ours)),
          baseline: `${ms(median(figures.theirs))}, git merge and the check one after another`,
          ratio: `${times(ratio)} (${spread(figures.ours, figures.theirs)})`,
          target: "at most 0.5 ×",
          met: ratio <= 0.5,
        },
      ];
    });
  },
};

async function prepareRound(
  api: Client,
  project_id: string,
  checkout: string,
  round: number,
): Promise<{ agents: string[]; names: string[] }> {
  const agents: string[] = [];
  const names: string[] = [];
  for (let nth = 0; nth < branches; nth += 1) {
    const name = `queue-${round}-${nth}`;
    const path = repositoryPaths[round * branches + nth] as string;
    const edit = async (folder: string): Promise<void> => {
      const text = await readFile(join(folder, path), "utf8");
      await writeFile(join(folder, path), text.replace(/^.*$/m, `// ${name}`));
    };
    const { data: agent } = await api.agents.create({ body: { project_id, name } });
    const params = { agent_id: agent.id };
    const { data: workspace } = await api.workspaces.create({ params });
    await edit(workspace.working_directory as string);
    await api.workspaces.createCommit({ params, body: { commit_type: "checkpoint" } });
    agents.push(agent.id);
    await command("git", ["checkout", "--quiet", "-b", name, "origin/main"], checkout);
    await edit(checkout);
    await command("git", ["commit", "--quiet", "--all", "-m", name], checkout);
    names.push(name);
  }
  await command("git", ["checkout", "--quiet", "main"], checkout);
  return { agents, names };
}

/** Queues all merges, and waits until the last one has landed. */
async function landAll(api: Client, agents: readonly string[]): Promise<void> {
  const requests = await Promise.all(
    agents.map((agent_id) =>
      api.workspaces.createMerge({ params: { agent_id }, body: { queue: true } }),
    ),
  );
  for (const { data } of requests) {
    const params = { merge_request_id: data.id };
    let request = data;
    while (request.ended_at === null) {
      await pause(20);
      request = (await api.mergeQueue.get({ params })).data;
    }
    if (request.status !== "merged") throw new Error(`a merge was ${request.status}`);
  }
}

async function mergeAll(checkout: string, names: readonly string[]): Promise<void> {
  const [program = "", ...args] = check;
  for (const name of names) {
    await command("git", ["merge", "--quiet", "--no-edit", "--no-ff", name], checkout);
    await command(program, args, checkout);
  }
}
