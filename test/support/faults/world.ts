import type { Client } from "#shared/contract/client.js";
import { makeOrganization, makeProject, makeWorkspace } from "../fixtures/factories.js";
import {
  bootServer,
  machineClient,
  openInstallation,
  type Installation,
  type ServerMachine,
} from "../machines/installation.js";
import type { Machine } from "../machines/machine.js";
import { makeRemote } from "../runners/remote-workspaces.js";

/** A project with workspaces for each kind of work. */
export interface WorldProject {
  id: string;
  cloneUrl: string;
  home: ServerMachine;
  committing: WorldWorkspace;
  merging: WorldWorkspace;
  running: WorldWorkspace;
  remote: WorldWorkspace;
}

export interface WorldWorkspace {
  agentId: string;
  branch: string;
  /** Null for a remote workspace. */
  folder: string | null;
}

/** Three servers with a project each, two runners, and a user with an API key. */
export interface World {
  installation: Installation;
  servers: readonly ServerMachine[];
  runners: readonly Machine[];
  organizationId: string;
  key: string;
  projects: readonly WorldProject[];
  /** A client of each server. */
  clients: readonly Client[];
}

/** Fewer places than agents with work, so that runs wait for each other. */
export const MAX_CONCURRENT_AGENTS = 4;

export async function startWorld(): Promise<World> {
  const installation = await openInstallation();
  try {
    const servers = ["node-1", "node-2", "node-3"].map((name) => installation.addServer(name));
    const [first] = servers as [ServerMachine];
    // Migrates the database.
    await bootServer(first);
    await Promise.all(servers.slice(1).map(bootServer));
    const person = { email: "ann@example.com", password: "correct staple horse" };
    const visitor = machineClient(first.url, null);
    await visitor.auth.register({ body: person });
    const { access_token } = (await visitor.auth.login({ body: person })).data;
    const api = machineClient(first.url, access_token);
    const { data: made } = await api.apiKeys.create({ body: { name: "faults" } });
    const key = made.key as string;
    const organization = await makeOrganization({ api });
    await api.organizations.update({
      params: { org_id: organization.id },
      body: { max_concurrent_agents: MAX_CONCURRENT_AGENTS },
    });
    await installation.balance(servers);
    const runners = await Promise.all(
      ["runner-1", "runner-2"].map(async (name) => {
        const { data } = await api.runners.create({ body: { name } });
        const runner = installation.addRunner(name, data.token as string);
        runner.boot();
        return runner;
      }),
    );
    const projects = await makeProjects(installation, servers, api, organization.id);
    const clients = servers.map(({ url }) => machineClient(url, key));
    return {
      installation,
      servers,
      runners,
      key,
      projects,
      clients,
      organizationId: organization.id,
    };
  } catch (error) {
    await installation.close();
    throw error;
  }
}

/** Makes a project on each server. */
async function makeProjects(
  { postgres }: Installation,
  servers: readonly ServerMachine[],
  api: Client,
  organizationId: string,
): Promise<WorldProject[]> {
  const found = new Map<string, WorldProject>();
  while (found.size < servers.length) {
    const project = await makeProject({ api }, organizationId);
    const [row] = await postgres.query<{ name: string }>(
      "select n.name from projects p join nodes n on n.id = p.home_node where p.id = $1",
      [project.id],
    );
    const home = servers.find(({ name }) => name === row?.name);
    if (!home || found.has(home.name)) continue;
    const local = async (): Promise<WorldWorkspace> => {
      const { agent, workspace } = await makeWorkspace({ api }, project.id);
      const { branch_name: branch, working_directory: folder } = workspace;
      return { agentId: agent.id, branch, folder };
    };
    const { agent, workspace } = await makeRemote({ api }, project.id);
    found.set(home.name, {
      id: project.id,
      cloneUrl: new URL(project.clone_url).pathname,
      home,
      committing: await local(),
      merging: await local(),
      running: await local(),
      remote: { agentId: agent.id, branch: workspace.branch_name, folder: null },
    });
  }
  return [...found.values()];
}
