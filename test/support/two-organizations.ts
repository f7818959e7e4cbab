import type { Agent } from "#shared/api/agents/agents.js";
import type { ApiKey } from "#shared/api/organizations/api-keys.js";
import type { Invitation } from "#shared/api/organizations/invitations.js";
import type { Merge } from "#shared/api/projects/merges.js";
import type { Workspace } from "#shared/api/projects/workspaces.js";
import type { Project } from "#shared/api/projects/projects.js";
import type { Run } from "#shared/api/agents/runs.js";
import type { TestPerson } from "./app.js";
import {
  commitFiles,
  makeOrganization,
  makeProject,
  makeWorkspace,
  mergeIntoBase,
} from "./factories.js";

/** An organization that contains one of everything. */
export interface FullOrganization {
  owner: TestPerson;
  id: string;
  slug: string;
  memberId: string;
  roleId: string;
  sessionId: string;
  project: Project;
  agent: Agent;
  workspace: Workspace;
  commitSha: string;
  merge: Merge;
  run: Run;
  key: ApiKey;
  invitation: Invitation;
}

export async function fillOrganization(owner: TestPerson): Promise<FullOrganization> {
  const { id, slug } = await makeOrganization(owner);
  const project = await makeProject(owner, id);
  const { agent, workspace } = await makeWorkspace(owner, project.id);
  const commit = await commitFiles(owner, workspace, { [`of-${slug}.txt`]: slug });
  const merge = await mergeIntoBase(owner, workspace);
  const params = { agent_id: agent.id };
  const { data: run } = await owner.api.runs.create({ params, body: { external: true } });
  const { data: key } = await owner.api.apiKeys.create({
    body: { name: "everything here", organization_id: id },
  });
  const { data: members } = await owner.api.members.list({ params: { org_id: id } });
  const { data: sessions } = await owner.api.auth.sessions();
  const { data: role } = await owner.api.roles.create({
    params: { org_id: id },
    body: { name: "custom", permissions: ["project:read"] },
  });
  const { data: invitation } = await owner.api.invitations.create({
    params: { org_id: id },
    body: { email: `invited-to-${slug}@example.com`, role_id: role.id },
  });
  return {
    owner,
    id,
    slug,
    memberId: members.find(({ user_id }) => user_id === owner.id)?.id as string,
    roleId: role.id,
    sessionId: sessions[0]?.id as string,
    project,
    agent,
    workspace,
    commitSha: commit.commit_sha,
    merge,
    run,
    key,
    invitation,
  };
}
