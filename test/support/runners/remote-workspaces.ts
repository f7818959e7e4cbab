import type { Agent } from "#shared/api/work/agents.js";
import type { NewRun, Run } from "#shared/api/execution/runs.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { makeAgent } from "../fixtures/factories.js";
import type { TestPerson } from "../server/app.js";

/** An agent with a remote workspace. */
export async function makeRemote(
  person: Pick<TestPerson, "api">,
  projectId: string,
): Promise<{ agent: Agent; workspace: Workspace }> {
  const agent = await makeAgent(person, projectId);
  const body = { workspace_type: "remote" } as const;
  const { data } = await person.api.workspaces.create({ params: { agent_id: agent.id }, body });
  return { agent, workspace: data };
}

export async function startRemote(
  person: Pick<TestPerson, "api">,
  agent: Pick<Agent, "id">,
  body: Partial<NewRun> = {},
): Promise<Run> {
  const run = { command: ["make", "test"], ...body };
  return (await person.api.runs.create({ params: { agent_id: agent.id }, body: run })).data;
}
