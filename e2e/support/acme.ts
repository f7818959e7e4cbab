import type { Browser, Page } from "playwright-core";
import type { Organization } from "#shared/api/organization/organizations.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { launchBrowser, signedInPage, watchConsole } from "./browser.js";

/** An organization with an owner (Ada), a viewer (Grace) and a project, and a page where Ada is signed in. */
export interface Acme {
  app: TestApp;
  browser: Browser;
  page: Page;
  consoleMessages: string[];
  ada: TestPerson;
  grace: TestPerson;
  organization: Organization;
  /** Returns the address of a tab of the organization's settings. */
  settings: (tab: string) => string;
  close: () => Promise<void>;
}

export async function startAcme(): Promise<Acme> {
  const app = await startTestApp();
  const [ada, grace] = await Promise.all([app.person("Ada-Lovelace"), app.person("Grace-Hopper")]);
  const { data: organization } = await ada.api.organizations.create({
    body: { name: "Acme Corp" },
  });
  await ada.api.organizations.create({ body: { name: "Side project" } });
  const params = { org_id: organization.id };
  const { data: roles } = await ada.api.roles.list({ params });
  const viewer = roles.find(({ name }) => name === "viewer")?.id ?? "";
  await ada.api.members.add({ params, body: { user_id: grace.id, role_id: viewer } });
  await ada.api.projects.create({ body: { organization_id: organization.id, name: "Auth" } });
  const browser = await launchBrowser();
  const page = await signedInPage(browser, app, ada);
  return {
    app,
    browser,
    page,
    consoleMessages: watchConsole(page),
    ada,
    grace,
    organization,
    settings: (tab) => `${app.url}/organizations/${organization.id}/settings?tab=${tab}`,
    async close() {
      await browser.close();
      await app.close();
    },
  };
}
