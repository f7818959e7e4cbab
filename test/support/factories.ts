import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Agent } from "#shared/api/agents/agents.js";
import type { Organization } from "#shared/api/organizations/organizations.js";
import type { Project } from "#shared/api/projects/projects.js";
import type { Merge } from "#shared/api/projects/merges.js";
import type { Workspace } from "#shared/api/projects/workspaces.js";
import type { TestPerson as Person } from "./app.js";

/** The signed-in client of any server. */
type TestPerson = Pick<Person, "api">;

let made = 0;
const nextName = (what: string): string => `${what}-${process.pid}-${(made += 1)}`;

export async function makeOrganization(owner: TestPerson): Promise<Organization> {
  return (await owner.api.organizations.create({ body: { name: nextName("org") } })).data;
}

/** An empty project, ready to use. */
export async function makeProject(person: TestPerson, organizationId: string): Promise<Project> {
  const body = { organization_id: organizationId, name: nextName("project") };
  return (await person.api.projects.create({ body })).data;
}

export async function makeAgent(
  person: TestPerson,
  projectId: string,
  parentAgentId: string | null = null,
): Promise<Agent> {
  const body = { project_id: projectId, name: nextName("worker"), parent_agent_id: parentAgentId };
  return (await person.api.agents.create({ body })).data;
}

/** An agent with its workspace. */
export async function makeWorkspace(
  person: TestPerson,
  projectId: string,
): Promise<{ agent: Agent; workspace: Workspace }> {
  const agent = await makeAgent(person, projectId);
  const { data } = await person.api.workspaces.create({ params: { agent_id: agent.id } });
  return { agent, workspace: data };
}

/** Returns the folder of a workspace that is not remote. */
export function folderOf({ working_directory }: Workspace): string {
  if (working_directory === null) throw new Error("a remote workspace has no folder");
  return working_directory;
}

/** Writes files into an agent's folder, like the agent. */
export async function writeFiles(
  workspace: Workspace,
  files: Record<string, string>,
): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    const file = join(folderOf(workspace), path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
}

type CommitType = "checkpoint" | "validation" | "manual" | "final";

/** Writes files into the folder and commits them through the API. */
export async function commitFiles(
  person: TestPerson,
  workspace: Workspace,
  files: Record<string, string>,
  commitType: CommitType = "checkpoint",
) {
  await writeFiles(workspace, files);
  const params = { agent_id: workspace.agent_id };
  return (await person.api.workspaces.createCommit({ params, body: { commit_type: commitType } }))
    .data;
}

/** Merges a workspace into its base branch. */
export async function mergeIntoBase(person: TestPerson, workspace: Workspace): Promise<Merge> {
  const params = { agent_id: workspace.agent_id };
  return (await person.api.workspaces.createMerge({ params, body: {} })).data;
}

/** A project whose `main` contains the files. */
export async function makeProjectWith(
  person: TestPerson,
  organizationId: string,
  files: Record<string, string>,
): Promise<Project> {
  const project = await makeProject(person, organizationId);
  const { workspace } = await makeWorkspace(person, project.id);
  await writeFiles(workspace, files);
  await mergeIntoBase(person, workspace);
  return project;
}
