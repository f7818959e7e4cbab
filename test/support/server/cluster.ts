import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Project } from "#shared/api/code/projects.js";
import type { Sandbox } from "#sandbox/sandbox.js";
import { queryAsOwner } from "../database/queries.js";
import { makeProject } from "../fixtures/factories.js";
import { startTestApp, type TestApp, type TestPerson } from "./app.js";
import { clusterEnv } from "./cluster-env.js";
import { removeDataFolder } from "./data-folder.js";

/** Nodes on one database, in this process, with real HTTP between them. */
export interface TestCluster {
  /** In the order of their names. */
  nodes: readonly TestApp[];
  /** Signs a person in at another node. */
  at(person: TestPerson, node: TestApp): TestPerson;
  /** An empty project whose home is the node. */
  projectOn(node: TestApp, person: TestPerson, organizationId: string): Promise<Project>;
  close(): Promise<void>;
}

export async function startCluster(
  names: readonly [string, ...string[]],
  env: Record<string, string> = {},
  sandbox?: Sandbox | "real",
): Promise<TestCluster> {
  const [firstName, ...others] = names;
  const first = await startTestApp({ ...env, ...(await clusterEnv(firstName)) }, sandbox);
  const nodes = [first];
  for (const name of others) {
    const OMOI_DATA_DIR = await mkdtemp(join(tmpdir(), "omoi-data-"));
    nodes.push(await first.sibling({ OMOI_DATA_DIR, ...(await clusterEnv(name)) }));
  }
  return {
    nodes,
    at: (person, node) => ({ ...person, api: node.client(person.token) }),
    projectOn: async (node, person, organizationId) => {
      for (;;) {
        // Nodes with the same room take new projects in turn.
        const project = await makeProject(person, organizationId);
        if ((await homeOf(first, project)) === node.config.nodeName) return project;
      }
    },
    close: async () => {
      for (const node of nodes.slice(1)) {
        await node.close();
        await removeDataFolder(node.dataDir);
      }
      await first.close();
    },
  };
}

/** Returns the name of a project's home. */
export async function homeOf(app: TestApp, { id }: Pick<Project, "id">): Promise<string> {
  const [row] = await queryAsOwner<{ name: string }>(
    app,
    "select n.name from projects p join nodes n on n.id = p.home_node where p.id = $1",
    [id],
  );
  if (!row) throw new Error("the project does not exist");
  return row.name;
}
