import type { Agent } from "#shared/api/work/agents.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Run } from "#shared/api/execution/runs.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
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
  const { data: task } = await owner.api.tasks.create({
    params: { project_id: project.id },
    body: { body: "Round half cents to even", labels: ["invoices"], start: false },
  });
  const { data: automation } = await owner.api.automations.create({
    params: { project_id: project.id },
    body: {
      name: "Weekly dependency update",
      triggers: [{ type: "schedule", cron: "0 7 * * 1", timezone: "Europe/Berlin" }],
      action: { type: "create_task", title: "Update", body: "Update the dependencies." },
    },
  });
  const ofAgent = `/agents/${agent.id}`;
  const ofOrganization = `/organizations/${organization.id}`;
  const paths = [
    "/welcome",
    "/",
    "/organizations",
    "/organizations/new",
    ofOrganization,
    ...[
      "general",
      "resources",
      "members",
      "service-accounts",
      "forges",
      "webhooks",
      "billing",
      "audit",
    ].map((tab) => `${ofOrganization}/settings?tab=${tab}`),
    `${ofOrganization}/statements/2026-01`,
    "/projects",
    `/projects/${project.id}`,
    ...["tasks", "agents", "merges", "branches", "automations", "settings"].map(
      (tab) => `/projects/${project.id}/${tab}`,
    ),
    `/projects/${project.id}/automations/new`,
    `/projects/${project.id}/automations/${automation.id}`,
    `/projects/${project.id}/automations/${automation.id}/edit`,
    `/projects/${project.id}/merge-requests/${request.id}`,
    "/tasks",
    `/tasks/${task.id}`,
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
