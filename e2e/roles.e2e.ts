/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemRoleIds } from "#server/db/migrate.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  makeOrganization,
  makeProject,
  makeWorkspace,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { expectAccessible } from "./support/accessible.js";
import { launchBrowser, signedInPage, watchConsole } from "./support/browser.js";

let app: TestApp;
let browser: Browser;
let orgId: string;
let projectId: string;
let agentId: string;
const people: Record<string, TestPerson> = {};

beforeAll(async () => {
  app = await startTestApp();
  browser = await launchBrowser();
  const owner = await app.person("owner");
  people["owner"] = owner;
  orgId = (await makeOrganization(owner)).id;
  projectId = (await makeProject(owner, orgId)).id;
  const { agent, workspace } = await makeWorkspace(owner, projectId);
  agentId = agent.id;
  await writeFiles(workspace, { "hello.md": "# Hello\n" });
  await owner.api.workspaces.createCommit({
    params: { agent_id: agentId },
    body: { commit_type: "checkpoint" },
  });
  for (const role of ["member", "viewer"] as const) {
    const person = await app.person(role);
    people[role] = person;
    await owner.api.members.add({
      params: { org_id: orgId },
      body: { user_id: person.id, role_id: systemRoleIds[role] },
    });
  }
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

/** A disabled control states its reason and stays focusable. */
async function isOff(page: Page, name: string): Promise<boolean> {
  const button = page.getByRole("button", { name, exact: true }).first();
  // Until the permissions have loaded, it is off for everyone.
  await expect.poll(() => button.getAttribute("title").then(String)).not.toMatch(/^Checking/);
  return (await button.getAttribute("aria-disabled")) === "true";
}

describe.each([
  { role: "owner", mayManage: true, mayWork: true },
  { role: "member", mayManage: false, mayWork: true },
  { role: "viewer", mayManage: false, mayWork: false },
])("as $role", ({ role, mayManage, mayWork }) => {
  test("every page of the flows offers the role's actions", async () => {
    const page = await signedInPage(browser, app, people[role] as TestPerson);
    const messages = watchConsole(page);
    const open = async (path: string, heading: RegExp): Promise<void> => {
      await page.goto(app.url + path);
      await page.getByRole("heading", { level: 1, name: heading }).waitFor();
      await page.waitForFunction(() => document.querySelector(".animate-pulse") === null);
      await expectAccessible(page, `${path} as ${role}`);
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
  });
});

test("untrusted names and messages execute nothing and hide nothing", async () => {
  const owner = people["owner"] as TestPerson;
  const hostile = `<img src=x onerror="window.hit=1">\u202egnp.exe`;
  const { data: org } = await owner.api.organizations.create({
    body: { name: hostile, slug: "hostile" },
  });
  const body = { organization_id: org.id, name: hostile, slug: "hostile", description: hostile };
  const { data: project } = await owner.api.projects.create({ body });
  const { agent, workspace } = await makeWorkspace(owner, project.id);
  await writeFiles(workspace, { "<b>bold</b>.md": hostile });
  await owner.api.workspaces.createCommit({
    params: { agent_id: agent.id },
    body: { commit_type: "manual", message: hostile },
  });
  const page = await signedInPage(browser, app, owner);
  for (const path of [
    "/organizations",
    `/organizations/${org.id}`,
    `/projects/${project.id}`,
    `/agents/${agent.id}/workspace`,
  ]) {
    await page.goto(app.url + path);
    await page.getByText("U+202E").first().waitFor();
    expect(await page.evaluate(() => "hit" in window)).toBe(false);
    expect(await page.locator("img[src=x]").count()).toBe(0);
  }
  await page.context().close();
});

test("a changed role and a removed member are undone from the toast", async () => {
  const owner = people["owner"] as TestPerson;
  const page = await signedInPage(browser, app, owner);
  const roleOf = async (name: string): Promise<string | undefined> =>
    (await owner.api.members.list({ params: { org_id: orgId } })).data.find(
      ({ display_name }) => display_name === name,
    )?.role_name;
  await page.goto(`${app.url}/organizations/${orgId}/settings?tab=members`);
  await page.getByLabel("Role of member").selectOption({ label: "viewer" });
  await page.getByText("member is now viewer").waitFor();
  expect(await roleOf("member")).toBe("viewer");
  // A toast stays while it is hovered.
  await page.getByText("member is now viewer").hover();
  await expectAccessible(page, "a toast with Undo");
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByText("Undone").waitFor();
  expect(await roleOf("member")).toBe("member");

  await page.getByRole("button", { name: "Remove viewer" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await page.getByText("viewer was removed").waitFor();
  expect(await roleOf("viewer")).toBeUndefined();
  // The button is last in the document; a shortcut moves the focus to it and back.
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  const before = page.locator("select:focus");
  await before.waitFor();
  await page.keyboard.press("F8");
  const undo = page.getByRole("button", { name: "Undo" }).and(page.locator(":focus"));
  await undo.waitFor();
  await page.keyboard.press("Escape");
  await before.waitFor();
  await page.keyboard.press("F8");
  await undo.waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Remove viewer" }).waitFor();
  expect(await roleOf("viewer")).toBe("viewer");
  await page.context().close();
});
