/// <reference lib="dom" />
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { commitFiles, makeProject, writeFiles } from "#test/support/fixtures/factories.js";
import { expectAccessible, expectFits } from "./support/accessible.js";
import { dropFirstAnswers, launchBrowser, signedInPage } from "./support/browser.js";
import { makeEveryPage } from "./support/every-page.js";

/** Empty pages, API errors, lost responses and concurrent edits. */
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

const button = (name: string | RegExp, where: Page | Locator = page) =>
  where.getByRole("button", { name, exact: true });
const field = (name: string, where: Page | Locator = page) =>
  where.getByLabel(name, { exact: true });

/** Waits until no request is pending. */
async function settle(where: Page): Promise<void> {
  await where.getByRole("heading", { level: 1 }).waitFor();
  await where.waitForFunction(() => document.querySelector(".animate-pulse") === null);
}

async function expectGood(where: Page, what: string): Promise<void> {
  await expectFits(where, what);
  await expectAccessible(where, what);
}

test("API errors are shown on every page, which still fits a phone", async () => {
  const refusing = await signedInPage(browser, app, owner);
  await refusing.setViewportSize({ width: 320, height: 844 });
  await dropFirstAnswers(refusing);
  // The current user and organization are known; all other requests are refused.
  const refused = /\/api\/v1\/(?!auth\/me$|organizations(\?|$))/;
  await refusing.route(refused, (route) =>
    route.fulfill({
      status: 403,
      contentType: "application/problem+json",
      json: { code: "insufficient_permission", status: 403, detail: "You may not see this." },
    }),
  );
  for (const path of every) {
    await refusing.goto(app.url + path);
    await settle(refusing);
    await refusing.getByText("You may not see this.").first().waitFor();
    await expectGood(refusing, `${path} refused`);
  }
  await refusing.context().close();
});

test("empty pages show the next step", async () => {
  const newcomer = await app.person("Nora");
  const hers = await signedInPage(browser, app, newcomer);
  await hers.setViewportSize({ width: 320, height: 844 });
  const look = async (path: string, text: RegExp): Promise<void> => {
    await hers.goto(app.url + path);
    await settle(hers);
    await hers.getByRole("main").getByText(text).first().waitFor();
    await expectGood(hers, `${path} with nothing`);
  };
  await look("/organizations", /Create the first one/);
  await look("/projects", /organization/);
  await look("/settings/api-keys", /key/i);
  const { data: empty } = await newcomer.api.organizations.create({ body: { name: "Empty" } });
  await look("/projects", /New project/);
  await look("/agents", /Create a project/);
  await look(`/organizations/${empty.id}`, /None yet. Create one/);
  await look(`/organizations/${empty.id}/settings?tab=members`, /Invite Member creates a link/);
  await look(
    `/organizations/${empty.id}/settings?tab=audit&from=2020-01-01&to=2020-01-02`,
    /No events match/,
  );
  const project = await makeProject(newcomer, empty.id);
  await look(`/projects/${project.id}`, /No merges yet/);
  await hers.context().close();
});

interface LongForm {
  what: string;
  path: () => string;
  /** The button that opens it. */
  opener?: string;
  fields: Record<string, string>;
  submit: string;
  /** The URL of its request. */
  call: RegExp;
  /** Counts the resources that it creates, or returns the value that it sets. */
  made: () => Promise<unknown>;
  expected: unknown;
}

const params = () => ({ org_id: orgId });
const ofAgent = () => ({ agent_id: workspace.agent_id });
const forms: LongForm[] = [
  {
    what: "New agent",
    path: () => "/agents?new=true",
    fields: { Name: "survivor" },
    submit: "Create agent",
    call: /\/agents$/,
    made: async () =>
      (await owner.api.agents.list({ query: { organization_id: orgId } })).data.filter(
        ({ name }) => name === "survivor",
      ).length,
    expected: 1,
  },
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

describe("a lost response", () => {
  test.each(forms)("$what keeps what was typed, and is done once", async (form) => {
    if (form.what === "a validation commit") await writeFiles(workspace, { "b.txt": "b\n" });
    await page.goto(app.url + form.path());
    if (form.opener !== undefined) await button(form.opener).click();
    const isInDialog = form.opener !== undefined || form.path().includes("new=true");
    const where = isInDialog ? page.getByRole("dialog") : page.getByRole("main");
    for (const [name, value] of Object.entries(form.fields)) {
      await field(name, where).fill(value);
    }
    await expectAccessible(page, `${form.what}, filled in`);
    // The server processes the request, but its response is lost.
    await page.route(form.call, async (route) => {
      if (route.request().method() === "GET") return route.continue();
      await route.fetch();
      return route.abort();
    });
    await button(form.submit, where).click();
    await where.getByText("The server does not answer.").waitFor();
    for (const [name, value] of Object.entries(form.fields)) {
      expect(await field(name, where).inputValue()).toBe(value);
    }
    await page.unroute(form.call);
    await Promise.all([
      page.waitForResponse(
        (response) =>
          form.call.test(response.url()) && response.request().method() !== "GET" && response.ok(),
      ),
      button(form.submit, where).dblclick(),
    ]);
    expect(await form.made()).toEqual(form.expected);
  });
});

describe("two tabs editing the same resource", () => {
  let other: Page;
  beforeAll(async () => {
    other = await page.context().newPage();
    other.setDefaultTimeout(30_000);
    // Without the event stream a tab detects the change only on save.
    for (const tab of [page, other]) await tab.route("**/events*", (route) => route.abort());
  });

  const cross = async (
    open: (tab: Page) => Promise<Locator>,
    name: string,
    [byFirst, bySecond]: readonly [string, string],
    submit: string,
    said: RegExp,
  ): Promise<void> => {
    const first = await open(page);
    const second = await open(other);
    await field(name, first).fill(byFirst);
    await field(name, second).fill(bySecond);
    await button(submit, first).click();
    await page.getByText(said).first().waitFor();
    await button(submit, second).click();
    await second.getByText(/Another user saved changes while you edited/).waitFor();
    await second.getByText(byFirst, { exact: true }).waitFor();
    expect(await field(name, second).inputValue()).toBe(bySecond);
    await expectAccessible(other, `${name}, changed meanwhile`);
    // The change has been seen: the next attempt is based on the first one.
    await button(submit, second).click();
    await other.getByText(said).first().waitFor();
  };

  test("a role", async () => {
    const body = { name: "tester", description: "As it was", permissions: ["org:read"] };
    await owner.api.roles.create({ params: params(), body });
    await cross(
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
  });

  test("a workspace's settings, unaffected by a concurrent commit", async () => {
    const open = async (tab: Page): Promise<Locator> => {
      await tab.goto(`${app.url}/agents/${workspace.agent_id}/workspace?tab=settings`);
      await field("Retention days", tab).waitFor();
      return tab.getByRole("main");
    };
    await cross(open, "Retention days", ["50", "60"], "Save Changes", /Settings saved/);
    await open(page);
    await field("Retention days").fill("70");
    await commitFiles(owner, workspace, { "c.txt": "c\n" });
    await button("Save Changes").click();
    await page.getByText("Settings saved").waitFor();
    const { data } = await owner.api.workspaces.get({ params: ofAgent() });
    expect(data.settings.retention_days).toBe(70);
    await other.close();
  });
});
