/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { expect } from "vitest";
import { systemRoleIds } from "#server/db/migrate.js";
import type { TestApp, TestPerson } from "#test/support/server/app.js";
import {
  makeOrganization,
  makeProject,
  makeWorkspace,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { signedInPage, watchConsole } from "./browser.js";

/** An organization with a person of each role. */
export interface Roles {
  orgId: string;
  projectId: string;
  agentId: string;
  people: Record<string, TestPerson>;
}

export async function makeRoles(app: TestApp): Promise<Roles> {
  const owner = await app.person("owner");
  const orgId = (await makeOrganization(owner)).id;
  const projectId = (await makeProject(owner, orgId)).id;
  const { agent, workspace } = await makeWorkspace(owner, projectId);
  const agentId = agent.id;
  await writeFiles(workspace, { "hello.md": "# Hello\n" });
  await owner.api.workspaces.createCommit({
    params: { agent_id: agentId },
    body: { commit_type: "checkpoint" },
  });
  const people: Record<string, TestPerson> = { owner };
  for (const role of ["member", "viewer"] as const) {
    const person = await app.person(role);
    people[role] = person;
    await owner.api.members.add({
      params: { org_id: orgId },
      body: { user_id: person.id, role_id: systemRoleIds[role] },
    });
  }
  return { orgId, projectId, agentId, people };
}

/** A disabled control states its reason and stays focusable. */
async function isOff(page: Page, name: string): Promise<boolean> {
  const button = page.getByRole("button", { name, exact: true }).first();
  // Until the permissions have loaded, it is off for everyone.
  await expect.poll(() => button.getAttribute("title").then(String)).not.toMatch(/^Checking/);
  return (await button.getAttribute("aria-disabled")) === "true";
}

interface Role {
  role: string;
  mayManage: boolean;
  mayWork: boolean;
}

/**
 * Walks as one role through every page of the flows, and expects the role's actions.
 * @param look at each page
 */
export async function walkAs(
  { role, mayManage, mayWork }: Role,
  browser: Browser,
  app: TestApp,
  { orgId, projectId, agentId, people }: Roles,
  look?: (page: Page, what: string) => Promise<void>,
): Promise<void> {
  const page = await signedInPage(browser, app, people[role] as TestPerson);
  const messages = watchConsole(page);
  const open = async (path: string, heading: RegExp): Promise<void> => {
    await page.goto(app.url + path);
    await page.getByRole("heading", { level: 1, name: heading }).waitFor();
    await page.waitForFunction(() => document.querySelector(".animate-pulse") === null);
    await look?.(page, `${path} as ${role}`);
  };
  await open("/organizations", /Organizations/);
  // Cards have [Settings] for users who can change them.
  const settings = page.getByRole("main").getByRole("link", { name: /^Settings of/ });
  await expect.poll(() => settings.count()).toBe(mayManage ? 1 : 0);

  await open(`/organizations/${orgId}`, /^org-/);
  await open(`/organizations/${orgId}/settings`, /^Organization: /);
  const name = page.getByLabel("Name", { exact: true });
  await expect.poll(() => name.isEnabled()).toBe(mayManage);
  for (const tab of ["resources", "members", "billing", "audit"]) {
    await open(`/organizations/${orgId}/settings?tab=${tab}`, /^Organization: /);
  }
  await page.goto(`${app.url}/organizations/${orgId}/settings?tab=members`);
  await page.getByRole("table", { name: "Members" }).waitFor();
  expect(await isOff(page, "Invite Member")).toBe(!mayManage);

  await open("/projects", /Projects/);
  expect(await isOff(page, "New project")).toBe(!mayWork);
  await open(`/projects/${projectId}`, /^project-/);
  await open("/agents", /Agents/);
  expect(await isOff(page, "New agent")).toBe(!mayWork);
  await open(`/agents/${agentId}/workspace`, /Agent: worker-/);
  expect(await isOff(page, "Checkpoint")).toBe(!mayWork);
  await open("/settings/api-keys", /API Key Management/);
  await open("/settings/api-keys/new", /Generate New API Key/);

  // An address that opens a dialog is ignored without the permission.
  await page.goto(`${app.url}/projects?new=true`);
  await page.getByRole("heading", { level: 1, name: "Projects" }).waitFor();
  const dialog = page.getByRole("dialog", { name: "New project" });
  if (mayWork) await dialog.waitFor();
  else {
    expect(await isOff(page, "New project")).toBe(true);
    await page.waitForLoadState("networkidle");
    expect(await dialog.count()).toBe(0);
  }
  await page.keyboard.press("Escape");

  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").fill("new");
  await page.getByRole("option", { name: /New Organization/ }).waitFor();
  expect(await page.getByRole("option", { name: /New project/ }).count()).toBe(mayWork ? 1 : 0);
  expect(messages).toEqual([]);
  await page.context().close();
}
