import type { Agent } from "#shared/api/work/agents.js";
import type { Merge } from "#shared/api/code/merges.js";
import { editFolder, type Edits } from "./edits.js";
import { serviceFiles } from "./service-files.js";
import type { Person } from "./session.js";
import * as worker1 from "./worker-1.js";
import * as worker2 from "./worker-2.js";

/** A working agent: edits files in its folder, commits and merges through the API. */
interface Worker {
  agentId: string;
  edit(edits: Edits): Promise<void>;
  checkpoint(): Promise<void>;
  iteration(): Promise<void>;
  commit(commitType: "manual" | "final", message?: string): Promise<void>;
  merge(): Promise<Merge>;
}

interface NewAgent {
  project_id: string;
  name: string;
  description?: string;
  parent_agent_id?: string;
}

export async function makeAgent(person: Person, body: NewAgent): Promise<Agent> {
  return (await person.api.agents.create({ body })).data;
}

/** Creates an agent with a workspace. */
export async function makeWorker(person: Person, body: NewAgent): Promise<Worker> {
  const agent = await makeAgent(person, body);
  const params = { agent_id: agent.id };
  const { workspaces } = person.api;
  const { data: workspace } = await workspaces.create({ params });
  return {
    agentId: agent.id,
    edit: (edits) => editFolder(workspace.working_directory as string, edits),
    checkpoint: async () => {
      await workspaces.createCommit({ params, body: { commit_type: "checkpoint" } });
    },
    iteration: async () => {
      await workspaces.createCommit({ params, body: { commit_type: "validation" } });
    },
    commit: async (commit_type, message) => {
      const body = message === undefined ? { commit_type } : { commit_type, message };
      await workspaces.createCommit({ params, body });
    },
    merge: async () => (await workspaces.createMerge({ params })).data,
  };
}

/**
 * Plays the history of the main project: one agent commits the initial files, two agents edit the same
 * lines, merge and conflict, and a child agent tests its parent's work. The commit order decides each
 * conflict. Returns the agents that are still working at the end.
 */
export async function runScenario(
  person: Person,
  projectId: string,
  log: (line: string) => void,
): Promise<string[]> {
  const worker = (name: string, description: string, parent?: Worker): Promise<Worker> =>
    makeWorker(person, {
      project_id: projectId,
      name,
      description,
      ...(parent === undefined ? {} : { parent_agent_id: parent.agentId }),
    });

  const scaffold = await worker("scaffold", "Commits the initial files");
  await scaffold.edit(serviceFiles);
  await scaffold.commit("final", "Add the identity service");
  await scaffold.merge();
  log(`Merged ${Object.keys(serviceFiles).length} files of the Identity Service into main`);

  const first = await worker("worker-1", "Adds PKCE to the sign-in");
  const second = await worker("worker-2", "Makes the sign-in resilient to a slow provider");
  await first.edit(worker1.firstCheckpoint);
  await first.checkpoint();
  await second.edit(worker2.firstCheckpoint);
  await second.checkpoint();
  await first.edit(worker1.firstIteration);
  await first.iteration();
  await second.edit(worker2.firstIteration);
  await second.iteration();
  await second.merge();
  log(`Merged worker-2, then worker-1: ${formatConflicts(await first.merge())}`);

  // worker-2 deletes a file that worker-1 has just changed on main.
  await second.edit(worker2.dropLegacy);
  await second.commit("manual", "Remove legacy basic authentication");
  log(`Merged worker-2 again: ${formatConflicts(await second.merge())}`);

  await first.edit(worker1.beforeTheChild);
  const child = await worker("worker-1-tests", "Tests the code of worker-1", first);
  await child.edit(worker1.childTests);
  await child.iteration();
  await child.merge();

  await first.edit(worker1.secondIteration);
  await first.edit(worker1.secondIterationImports);
  await first.iteration();
  await first.edit(worker1.signInDocs);
  await first.commit("manual", "Document the sign-in flow");
  await first.edit(worker1.unsaved);
  await second.edit(worker2.unsaved);
  return [first.agentId, second.agentId, child.agentId];
}

function formatConflicts({ total_conflicts: count }: Merge): string {
  return count === 1 ? "1 conflict resolved" : `${count} conflicts resolved`;
}
