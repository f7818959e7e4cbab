import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { listMounts } from "#git/worktree/mounts.js";
import type { Benchmark } from "./support/harness.js";
import { startServer, withServer } from "./support/server.js";

const count = 1000;
const atOnce = 8;
const stopSeconds = 10;
const readySeconds = 5;

/** The cost of a restart with many mounted workspaces. */
export const mounts: Benchmark = {
  name: "mounts",
  method:
    `${count} agents have one overlay workspace each. Stop: from SIGTERM to the exit of the process, ` +
    "after which no mount may remain. Start: from the start of the process to “Omoi is ready”. The " +
    "server then mounts the folders in the background, and on demand before their first use.",
  run: async (folder, log) => {
    const dataDir = join(folder, "data");
    const env = { OMOI_FOLDER_DRIVER: "overlay" };
    let started = 0;
    let stopping = 0;
    await withServer({ dataDir, env }, async (_server, api) => {
      const { data: org } = await api.organizations.create({ body: { name: "Many" } });
      const body = { organization_id: org.id, name: "App" };
      const { data: project } = await api.projects.create({ body });
      const make = async (): Promise<void> => {
        for (let number = (started += 1); number <= count; number = started += 1) {
          if (number % 100 === 0) log(`workspace ${number} of ${count}`);
          const agent = { project_id: project.id, name: `worker-${number}` };
          const { data } = await api.agents.create({ body: agent });
          await api.workspaces.create({ params: { agent_id: data.id } });
        }
      };
      await Promise.all(Array.from({ length: atOnce }, make));
      log(`${(await listMounts(dataDir)).length} mounts`);
      stopping = performance.now();
    });
    const stopMs = performance.now() - stopping;
    const left = (await listMounts(dataDir)).length;
    log("restarting");
    const server = await startServer({ dataDir, env });
    let mounted = 0;
    const from = performance.now();
    while (mounted < count && performance.now() - from < 300_000) {
      await pause(500);
      mounted = (await listMounts(dataDir)).length;
    }
    const mountedMs = performance.now() - from;
    await server.stop();
    const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
    return [
      {
        label: `Stop with ${count} mounted workspaces`,
        result: `${seconds(stopMs)}, ${left} mounts left`,
        baseline: "",
        ratio: "",
        target: `under ${stopSeconds} s, 0 mounts left`,
        met: stopMs < stopSeconds * 1000 && left === 0,
      },
      {
        label: `Start with ${count} workspaces, until ready`,
        result: seconds(server.readyMs),
        baseline: "",
        ratio: "",
        target: `at most ${readySeconds} s`,
        met: server.readyMs <= readySeconds * 1000,
      },
      {
        label: `… until all ${count} are mounted`,
        result: `${seconds(mountedMs)} (${mounted})`,
        baseline: "",
        ratio: "",
        target: "",
        met: null,
      },
    ];
  },
};
