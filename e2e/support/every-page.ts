import type { Agent } from "#shared/api/agents/agents.js";
import type { Organization } from "#shared/api/organizations/organizations.js";
import type { Project } from "#shared/api/projects/projects.js";
import type { Run } from "#shared/api/agents/runs.js";
import type { Workspace } from "#shared/api/projects/workspaces.js";
import type { TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProject,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";

interface EveryPage {
  organization: Organization;
  project: Project;
  agent: Agent;
  workspace: Workspace;
  /** A run in progress, of an agent with a remote workspace. */
  run: Run;
  /** The addresses of all pages that show these resources. */
  paths: readonly string[];
}

/** Creates one resource of every type. */
export async function makeEveryPage(owner: TestPerson): Promise<EveryPage> {
  const organization = await makeOrganization(owner);
  const project = await makeProject(owner, organization.id);
  const { agent, workspace } = await makeWorkspace(owner, project.id);
  const commit = await commitFiles(owner, workspace, { "a.txt": "a\n" });
  const merge = await mergeIntoBase(owner, workspace);
  const { data: key } = await owner.api.apiKeys.create({ body: { name: "CI" } });
  const { data: login } = await owner.api.deviceLogin.start({ body: { client_name: "laptop" } });
  const params = { agent_id: agent.id };
  // Everything is merged already, so it ends at once.
  const { data: request } = await owner.api.workspaces.createMerge({
    params,
    body: { queue: true },
  });
  const { data: run } = await owner.api.runs.create({ params, body: { external: true } });
  const ofAgent = `/agents/${agent.id}`;
  const ofOrganization = `/organizations/${organization.id}`;
  const paths = [
    "/welcome",
    "/",
    "/organizations",
    "/organizations/new",
    ofOrganization,
    ...["general", "resources", "members", "service-accounts", "webhooks", "billing", "audit"].map(
      (tab) => `${ofOrganization}/settings?tab=${tab}`,
    ),
    `${ofOrganization}/statements/2026-01`,
    "/projects",
    `/projects/${project.id}`,
    ...["agents", "merges", "branches", "settings"].map((tab) => `/projects/${project.id}/${tab}`),
    `/projects/${project.id}/merge-requests/${request.id}`,
    "/agents",
    ...["", "/changes", "/workspace", "/conflicts", "/runs", "/settings"].map(
      (tab) => `${ofAgent}${tab}`,
    ),
    `${ofAgent}/runs/${run.id}`,
    `${ofAgent}/workspace/commits/${commit.commit_sha}`,
    `${ofAgent}/workspace/merge`,
    `${ofAgent}/workspace/sync`,
    `${ofAgent}/workspace/merges/${merge.id}`,
    `${ofAgent}/workspace/merges/${merge.id}/restore`,
    `${ofAgent}/workspace/merges/${merge.id}/revert`,
    `/device?code=${login.user_code}`,
    "/settings/profile",
    "/settings/security",
    "/settings/notifications",
    "/settings/api-keys",
    "/settings/api-keys/new",
    `/settings/api-keys/${key.id}`,
  ];
  return { organization, project, agent, workspace, run, paths };
}
