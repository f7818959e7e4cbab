import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { firstAnswersId } from "#shared/first-answers.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { launchBrowser, signedInPage, watchQuiet } from "./support/browser.js";

describe("preloaded responses", () => {
  let app: TestApp;
  let browser: Browser;
  let owner: TestPerson;
  let page: Page;
  let quiet: () => Promise<void>;
  beforeAll(async () => {
    app = await startTestApp();
    browser = await launchBrowser();
    owner = await app.person("owner");
    page = await signedInPage(browser, app, owner);
    const devtools = await page.context().newCDPSession(page);
    await devtools.send("Network.enable");
    quiet = watchQuiet(devtools);
  });
  afterAll(async () => {
    await browser.close();
    await app.close();
  });

  async function visit(path: string): Promise<{ carried: string[]; asked: string[] }> {
    const asked: string[] = [];
    const note = (request: { url: () => string }): void => {
      const { pathname, search } = new URL(request.url());
      if (pathname.startsWith("/api/v1/")) asked.push(pathname + search);
    };
    page.on("request", note);
    const listening = page.waitForResponse((response) => response.url().includes("/events?"));
    await page.goto(app.url + path);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await listening;
    await quiet();
    page.off("request", note);
    const json = await page.locator(`#${firstAnswersId}`).textContent();
    return {
      carried: (JSON.parse(json ?? "[]") as { path: string }[]).map((response) => response.path),
      asked,
    };
  }

  test("are not requested again", async () => {
    const org = await makeOrganization(owner);
    const project = await makeProject(owner, org.id);
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    const { commit_sha: sha } = await commitFiles(owner, workspace, { "a.txt": "a\n" });
    await owner.api.apiKeys.create({ body: { name: "CI", organization_id: org.id } });
    const paths = [
      "/welcome",
      "/organizations",
      `/organizations/${org.slug}`,
      `/organizations/${org.id}/settings`,
      `/projects/${project.id}`,
      ...["agents", "merges", "branches", "settings"].map(
        (tab) => `/projects/${project.id}/${tab}`,
      ),
      "/agents",
      ...["", "/changes", "/workspace", "/conflicts", "/runs", "/settings"].map(
        (tab) => `/agents/${agent.id}${tab}`,
      ),
      `/agents/${agent.id}/workspace/commits/${sha}`,
      "/settings/api-keys",
    ];
    for (const path of paths) {
      const { carried, asked } = await visit(path);
      expect(carried.length, path).toBeGreaterThan(1);
      expect(
        asked.filter((path) => carried.includes(path)),
        path,
      ).toEqual([]);
    }
  });
});
