import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import type { TestApp, TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";

/** The tabs of a project, and the labels of their tables. */
export const tabs = [
  { name: "Overview", path: "", tables: ["Predicted conflicts"] },
  { name: "Tasks", path: "/tasks", tables: [] },
  { name: "Agents", path: "/agents", tables: ["Agents"] },
  { name: "Merges and queue", path: "/merges", tables: ["Merges", "Waiting merges"] },
  { name: "Branches", path: "/branches", tables: ["Branches", "Workspaces"] },
  { name: "Automations", path: "/automations", tables: [] },
  { name: "Settings", path: "/settings", tables: ["Checks"] },
] as const;

/** A project with running agents, merges, a merge queue and upcoming conflicts. */
export async function makeProjectWithTabs(app: TestApp, owner: TestPerson): Promise<Project> {
  const org = await makeOrganization(owner);
  const project = await makeProjectWith(owner, org.id, {
    "src/auth/oauth2_handler.py": "a\nb\nc\n",
    "src/app.py": "1\n2\n3\n",
  });
  const workspaces = [];
  for (let nth = 0; nth < 6; nth += 1) {
    workspaces.push((await makeWorkspace(owner, project.id)).workspace);
  }
  const [one, two, three, four, five] = workspaces as [
    Workspace,
    Workspace,
    Workspace,
    Workspace,
    Workspace,
  ];
  for (const [nth, workspace] of [four, five].entries()) {
    await commitFiles(owner, workspace, { [`docs/${nth}.md`]: "text\n" });
    await mergeIntoBase(owner, workspace);
  }
  await commitFiles(owner, one, { "src/auth/oauth2_handler.py": "a\nB\nc\n", "new.py": "one\n" });
  await commitFiles(owner, two, { "src/auth/oauth2_handler.py": "a\nbe\nc\n", "new.py": "two\n" });
  await commitFiles(owner, three, { "new.py": "three\n" });
  const params = { project_id: project.id };
  const protected_branches = [{ pattern: "main", approvals: 1 }];
  await owner.api.projects.update({ params, body: { protected_branches } });
  await owner.api.mergeQueue.setCheck({
    params: { ...params, name: "test" },
    body: { command: ["npm", "test"] },
  });
  await owner.api.workspaces.createMerge({
    params: { agent_id: three.agent_id },
    body: { queue: true },
  });
  for (const { agent_id } of [one, two]) {
    await owner.api.runs.create({ params: { agent_id }, body: { external: true } });
  }
  // No one sends heartbeats, and the tests take longer than a lease.
  await queryAsOwner(
    app,
    `update runs set lease_expires_at = now() + interval '1 hour'
      where kind = 'leased' and ended_at is null`,
  );
  return project;
}
