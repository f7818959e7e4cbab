import { join } from "node:path";
import { builtFile } from "#test/support/server/built-files.js";
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
import { withServer } from "./support/server.js";

const rounds = 30;
const agents = 50;

/** A command must start at once: people and scripts run it often. */
export const commandLine: Benchmark = {
  name: "command-line",
  method:
    `The built command as a process of its own, ${rounds} times in turn with its baselines: \`omoi agent list\` of ` +
    `${agents} agents beside \`curl\` of the same list, plus the time in which Node itself starts and ends.`,
  run: (folder) =>
    withServer({ dataDir: join(folder, "data") }, async ({ url }, api) => {
      const { data: organization } = await api.organizations.create({ body: { name: "Bench" } });
      const { data: project } = await api.projects.create({
        body: { organization_id: organization.id, name: "bench" },
      });
      for (let number = 0; number < agents; number += 1) {
        await api.agents.create({ body: { project_id: project.id, name: `agent-${number}` } });
      }
      const { data: key } = await api.apiKeys.create({ body: { name: "Bench" } });
      const env = { HOME: join(folder, "home") };
      const omoi = (...args: string[]) =>
        command(process.execPath, [builtFile("cli/main.js"), ...args], folder, env);
      await omoi("login", url, "--token", key.key as string, "--org", organization.slug);
      const list = `${url}/api/v1/agents?organization_id=${organization.id}&limit=200`;
      const authorization = `Authorization: Bearer ${key.key}`;
      const took = await interleave(rounds, {
        version: () => timed(() => omoi("--version")),
        list: () => timed(() => omoi("agent", "list", "--context", new URL(url).host)),
        curl: () =>
          timed(() =>
            command("curl", ["--silent", "--fail", "--header", authorization, list], folder, env),
          ),
        node: () => timed(() => command(process.execPath, ["-e", ""], folder, env)),
      });
      const baseline = took.curl.map((value, round) => value + (took.node[round] ?? 0));
      const ratio = median(took.list) / median(baseline);
      return [
        {
          label: "`omoi --version`",
          result: ms(median(took.version)),
          baseline: `Node alone: ${ms(median(took.node))}`,
          ratio: times(median(took.version) / median(took.node)),
          target: "at most 120 ms",
          met: median(took.version) <= 120,
        },
        {
          label: `\`omoi agent list\`, ${agents} agents`,
          result: ms(median(took.list)),
          baseline: `curl and Node's start: ${ms(median(baseline))}`,
          ratio: spread(took.list, baseline),
          target: "at most 1.5 ×",
          met: ratio <= 1.5,
        },
      ];
    }),
};
