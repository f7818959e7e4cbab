import { join } from "node:path";
import { checkoutDriver } from "#git/worktree/worktree-driver.js";
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
import { importProject, makeRepository } from "./support/repository.js";
import { withServer } from "./support/server.js";

const rounds = 21;

/** The delay before an agent's first edit. */
export const workspaceCreation: Benchmark = {
  name: "workspace",
  method:
    "POST …/workspace from request to response on an imported repository of 2 000 files of 2–8 KB, " +
    `in ${rounds} rounds that alternate with \`git worktree add -b\` on an equal bare clone on the ` +
    `same disk. The agent is created before the measurement. "Git only" calls the folder driver in ` +
    "the benchmark's process.",
  run: async (folder, log) => {
    const source = await makeRepository(folder);
    const clone = join(folder, "clone.git");
    await command("git", ["clone", "--quiet", "--bare", "--no-local", source, clone], folder);
    const commit = (await command("git", ["rev-parse", "main"], clone)).trim();
    const options = { dataDir: join(folder, "data"), env: { OMOI_IMPORT_ROOTS: folder } };
    return withServer(options, async (_server, api) => {
      const project_id = await importProject(api, source);
      const figures = await interleave(rounds, {
        api: async (round) => {
          log(`round ${round} of ${rounds}`);
          const { data: agent } = await api.agents.create({
            body: { project_id, name: `worker-${round}` },
          });
          return timed(() => api.workspaces.create({ params: { agent_id: agent.id } }));
        },
        driver: (round) =>
          timed(() =>
            checkoutDriver.create({
              repoPath: clone,
              commit,
              folder: join(folder, `driver-${round}`),
              indexFile: join(folder, `indexes/${round}.index`),
            }),
          ),
        worktree: (round) => {
          const args = ["worktree", "add", "-b", `branch-${round}`, join(folder, `tree-${round}`)];
          return timed(() => command("git", [...args, "main"], clone));
        },
      });
      const worktree = median(figures.worktree);
      const baseline = `${ms(worktree)}, git worktree add`;
      const [ours, driver] = [median(figures.api), median(figures.driver)];
      return [
        {
          label: "Create a workspace of 2 000 files through the API",
          result: ms(ours),
          baseline,
          ratio: `${times(ours / worktree)} (${spread(figures.api, figures.worktree)})`,
          target: "at most 0.3 ×",
          met: ours / worktree <= 0.3,
        },
        {
          label: "… git only",
          result: ms(driver),
          baseline,
          ratio: `${times(driver / worktree)} (${spread(figures.driver, figures.worktree)})`,
          target: "",
          met: null,
        },
      ];
    });
  },
};
