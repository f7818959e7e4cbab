// Thorough: errors on every page, a lost response of every form, and a concurrent commit.
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { commitFiles, writeFiles } from "#test/support/fixtures/factories.js";
import { launchBrowser, signedInPage } from "./support/browser.js";
import { makeEveryPage } from "./support/every-page.js";
import {
  button,
  expectDoneOnce,
  expectErrors,
  field,
  type LongForm,
  saveInTwoTabs,
} from "./support/states.js";

let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;
let orgId: string;
let workspace: Workspace;
let every: readonly string[];

beforeAll(async () => {
  app = await startTestApp();
  browser = await launchBrowser();
  owner = await app.person("Ada");
  const made = await makeEveryPage(owner);
  ({ workspace } = made);
  orgId = made.organization.id;
  // One tab of each page, and all tabs whose data can be refused.
  const pathOf = (path: string): string => path.replace(/\?.*/, "");
  const ofOnesOwn = /^\/organizations(\/new)?$|\/profile$|\/api-keys\/new$/;
  every = made.paths.filter(
    (path, at, all) =>
      !ofOnesOwn.test(path) && all.findIndex((other) => pathOf(other) === pathOf(path)) === at,
  );
  page = await signedInPage(browser, app, owner);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

test("API errors are shown on every page, which still fits a phone", async () => {
  const refusing = await signedInPage(browser, app, owner);
  await expectErrors(refusing, app.url, every);
  await refusing.context().close();
});

const params = () => ({ org_id: orgId });
const ofAgent = () => ({ agent_id: workspace.agent_id });
const forms: LongForm[] = [
  {
    what: "New role",
    path: () => `/organizations/${orgId}/settings?tab=members`,
    opener: "New role",
    fields: { Name: "survivor", "Description (optional)": "Kept" },
    submit: "Create role",
    call: /\/roles$/,
    made: async () =>
      (await owner.api.roles.list({ params: params() })).data.filter(
        ({ name }) => name === "survivor",
      ).length,
    expected: 1,
  },
  {
    what: "an invitation",
    path: () => `/organizations/${orgId}/settings?tab=members`,
    opener: "Invite Member",
    fields: { "Email address": "survivor@example.com" },
    submit: "Create invitation",
    call: /\/invitations$/,
    made: async () => (await owner.api.invitations.list({ params: params() })).data.length,
    expected: 1,
  },
  {
    what: "a key",
    path: () => "/settings/api-keys/new",
    fields: { Name: "survivor", "Description (optional)": "Kept" },
    submit: "Generate Key",
    call: /\/api-keys$/,
    made: async () =>
      (await owner.api.apiKeys.list()).data.filter(({ name }) => name === "survivor").length,
    expected: 1,
  },
  {
    what: "a validation commit",
    path: () => `/agents/${workspace.agent_id}/workspace`,
    opener: "Validation commit…",
    fields: { "Iteration (optional)": "7", "Message (optional)": "Kept" },
    submit: "Commit",
    call: /\/commits$/,
    made: async () =>
      (await owner.api.workspaces.commits({ params: ofAgent() })).data.filter(
        ({ iteration }) => iteration === 7,
      ).length,
    expected: 1,
  },
  {
    what: "a workspace's settings",
    path: () => `/agents/${workspace.agent_id}/workspace?tab=settings`,
    fields: { "Retention days": "45" },
    submit: "Save Changes",
    call: /\/workspace$/,
    made: async () =>
      (await owner.api.workspaces.get({ params: ofAgent() })).data.settings.retention_days,
    expected: 45,
  },
  // Last, since the pages switch to the new organization.
  {
    what: "New Organization",
    path: () => "/organizations/new",
    fields: { Name: "Survivor", "Description (optional)": "Kept" },
    submit: "Create organization",
    call: /\/organizations$/,
    made: async () =>
      (await owner.api.organizations.list()).data.filter(({ name }) => name === "Survivor").length,
    expected: 1,
  },
];

test.each(forms)(
  "after a lost response $what keeps what was typed, and is done once",
  async (form) => {
    if (form.what === "a validation commit") await writeFiles(workspace, { "b.txt": "b\n" });
    await expectDoneOnce(page, app.url, form);
  },
);

test("two tabs edit a workspace's settings, unaffected by a concurrent commit", async () => {
  const other = await page.context().newPage();
  other.setDefaultTimeout(30_000);
  // Without the event stream a tab detects the change only on save.
  for (const tab of [page, other]) await tab.route("**/events*", (route) => route.abort());
  const open = async (tab: Page): Promise<Locator> => {
    await tab.goto(`${app.url}/agents/${workspace.agent_id}/workspace?tab=settings`);
    await field("Retention days", tab).waitFor();
    return tab.getByRole("main");
  };
  await saveInTwoTabs(
    [page, other],
    open,
    "Retention days",
    ["50", "60"],
    "Save Changes",
    /Settings saved/,
  );
  await open(page);
  await field("Retention days", page).fill("70");
  await commitFiles(owner, workspace, { "c.txt": "c\n" });
  await button("Save Changes", page).click();
  await page.getByText("Settings saved").waitFor();
  const { data } = await owner.api.workspaces.get({ params: ofAgent() });
  expect(data.settings.retention_days).toBe(70);
  await other.close();
});

test("of two tabs editing a role, the second one is shown the change", async () => {
  const other = await page.context().newPage();
  other.setDefaultTimeout(30_000);
  // Without the event stream a tab detects the change only on save.
  for (const tab of [page, other]) await tab.route("**/events*", (route) => route.abort());
  const body = { name: "tester", description: "As it was", permissions: ["org:read"] };
  await owner.api.roles.create({ params: params(), body });
  await saveInTwoTabs(
    [page, other],
    async (tab) => {
      await tab.goto(`${app.url}/organizations/${orgId}/settings?tab=members`);
      await Promise.all([
        tab.waitForResponse(/\/roles\/[^/]+$/),
        button("Edit tester", tab).click(),
      ]);
      return tab.getByRole("dialog");
    },
    "Description (optional)",
    ["By the first tab", "By the second tab"],
    "Save role",
    /Role tester saved/,
  );
  const { data } = await owner.api.roles.list({ params: params() });
  expect(data.find(({ name }) => name === "tester")).toMatchObject({
    description: "By the second tab",
    permissions: ["org:read"],
  });
  await other.close();
});
