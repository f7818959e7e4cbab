import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { launchBrowser, signedInPage } from "./support/browser.js";
import { expectDoneOnce, expectErrors, expectGood, settle } from "./support/states.js";

/** Empty pages, API errors and lost responses. Concurrent edits are in states.thorough.e2e.ts. */
let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;
let orgId: string;

beforeAll(async () => {
  app = await startTestApp();
  browser = await launchBrowser();
  owner = await app.person("Ada");
  orgId = (await makeOrganization(owner)).id;
  await makeProject(owner, orgId);
  page = await signedInPage(browser, app, owner);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

test("API errors are shown on a page, which still fits a phone", async () => {
  const refusing = await signedInPage(browser, app, owner);
  await expectErrors(refusing, app.url, ["/projects"]);
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

test("after a lost response a form keeps what was typed, and is done once", async () => {
  await expectDoneOnce(page, app.url, {
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
  });
});
