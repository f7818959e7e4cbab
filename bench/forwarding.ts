import { randomBytes } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { Agent, request as requestHttp } from "node:http";
import { join } from "node:path";
import type { Client } from "#shared/contract/client.js";
import type { Project } from "#shared/api/code/projects.js";
import { clusterEnv } from "#test/support/server/cluster-env.js";
import {
  command,
  interleave,
  median,
  ms,
  spread,
  timed,
  times,
  type Benchmark,
  type Row,
} from "./support/harness.js";
import { asOwner, withPostgres } from "./support/postgres.js";
import { startServer, withServer } from "./support/server.js";

const rounds = 200;
const mostTimes = 1.5;
const mebibytes = 100;
/** Files have at most 100 MiB. */
const files = 4;
const cloneRounds = 5;
const leastSpeed = 0.8;

/** The cost of a request to a node that is not the home of its project. */
export const forwarding: Benchmark = {
  name: "forwarding",
  method:
    "Two servers with data folders of their own on one PostgreSQL. One client sends the same requests to the home " +
    "of a project and to the other node, over kept connections, one at a time: medians of " +
    `${rounds} alternating rounds. git clones a project with ${mebibytes} MiB of random bytes in ${files} files, ` +
    `${cloneRounds} alternating rounds; the ratio is that of the throughputs.`,
  run: (folder, log) =>
    withPostgres(folder, async ({ makeDatabase }) => {
      const databaseUrl = await makeDatabase("omoi");
      const OMOI_SECRET = randomBytes(32).toString("hex");
      const optionsOf = async (name: string) => ({
        dataDir: join(folder, name),
        env: { OMOI_DATABASE_URL: databaseUrl, OMOI_SECRET, ...(await clusterEnv(name)) },
      });
      return withServer(await optionsOf("one"), async (other, api) => {
        const home = await startServer(await optionsOf("two"));
        try {
          await asOwner(databaseUrl, (client) =>
            client.query("update nodes set draining = name = 'one'"),
          );
          const { project, runId, agentId, key } = await makeProject(api);
          const nodes: Nodes = { home: home.url, other: other.url, key };
          log("requests");
          const rows = [
            // First, before the lease ends.
            await compare("Renew a lease (POST)", nodes, "POST", `/runs/${runId}/heartbeat`),
            await compare("Get a project", nodes, "GET", `/projects/${project.id}`),
            await compare(
              "Get the changes of a workspace",
              nodes,
              "GET",
              `/agents/${agentId}/workspace/changes`,
            ),
          ];
          log("clones");
          return [...rows, await compareClones(nodes, project, folder)];
        } finally {
          await home.stop();
        }
      });
    }),
};

interface Nodes {
  home: string;
  other: string;
  key: string;
}

async function makeProject(api: Client) {
  const { data: organization } = await api.organizations.create({ body: { name: "Nodes" } });
  const { data: project } = await api.projects.create({
    body: { organization_id: organization.id, name: "Project" },
  });
  const { data: agent } = await api.agents.create({
    body: { project_id: project.id, name: "worker-1" },
  });
  const params = { agent_id: agent.id };
  await api.workspaces.create({ params });
  const { data: run } = await api.runs.create({ params, body: { external: true } });
  const { data } = await api.apiKeys.create({ body: { name: "Bench", scopes: ["*:*"] } });
  return { project, agentId: agent.id, runId: run.id, key: data.key as string };
}

async function compare(label: string, nodes: Nodes, method: string, path: string): Promise<Row> {
  const agent = new Agent({ keepAlive: true });
  const at = (url: string) => () => timed(() => ask(agent, url, nodes.key, method, path));
  const figures = await interleave(rounds, { home: at(nodes.home), other: at(nodes.other) });
  agent.destroy();
  const [ours, theirs] = [median(figures.other), median(figures.home)];
  return {
    label,
    result: precise(ours),
    baseline: `${precise(theirs)}, at the home`,
    ratio: `${times(ours / theirs)} ${spread(figures.other, figures.home)}`,
    target: `at most ${times(mostTimes)}`,
    met: ours / theirs <= mostTimes,
  };
}

const precise = (value: number): string => `${value.toFixed(2)} ms`;

function ask(agent: Agent, url: string, key: string, method: string, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${key}` };
    requestHttp(`${url}/api/v1${path}`, { agent, method, headers }, (response) => {
      response.once("error", reject);
      response.once("end", () => {
        const { statusCode = 0 } = response;
        if (statusCode >= 200 && statusCode < 300) resolve();
        else reject(new Error(`${path} answered ${statusCode}`));
      });
      response.resume();
    })
      .once("error", reject)
      .end();
  });
}

async function compareClones(nodes: Nodes, project: Project, folder: string): Promise<Row> {
  const path = new URL(project.clone_url).pathname;
  const addressAt = (url: string): string => url.replace("://", `://key:${nodes.key}@`) + path;
  const source = join(folder, "source");
  await command("git", ["clone", "--quiet", addressAt(nodes.home), source], folder);
  for (let file = 0; file < files; file += 1) {
    const content = randomBytes((mebibytes / files) * 1024 * 1024);
    await writeFile(join(source, `random-${file}.bin`), content);
  }
  await command("git", ["add", "--all"], source);
  await command("git", ["commit", "--quiet", "--message", "work"], source);
  await command("git", ["push", "--quiet", "origin", "HEAD:main"], source);
  const clone = (url: string) => async (): Promise<number> => {
    const target = join(folder, "clone");
    const took = await timed(() =>
      command("git", ["clone", "--quiet", "--bare", addressAt(url), target], folder),
    );
    await rm(target, { recursive: true });
    return took;
  };
  const figures = await interleave(cloneRounds, {
    home: clone(nodes.home),
    other: clone(nodes.other),
  });
  const [ours, theirs] = [median(figures.other), median(figures.home)];
  const speed = (took: number): string => `${((mebibytes * 1000) / took).toFixed(0)} MiB/s`;
  return {
    label: `Clone ${mebibytes} MiB`,
    result: `${speed(ours)} (${ms(ours)})`,
    baseline: `${speed(theirs)} (${ms(theirs)}), at the home`,
    ratio: `${times(theirs / ours)} ${spread(figures.home, figures.other)}`,
    target: `at least ${times(leastSpeed)}`,
    met: theirs / ours >= leastSpeed,
  };
}
