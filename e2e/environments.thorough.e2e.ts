import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { EnvironmentBuild } from "#shared/api/execution/environments.js";
import type { Project } from "#shared/api/code/projects.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { expectAccessible } from "./support/accessible.js";
import { launchBrowser, look, screenshot, signedInPage, watchConsole } from "./support/browser.js";

/** The environment of a project, its builds and their logs, through the pages. */
let app: TestApp;
let browser: Browser;
let owner: TestPerson;
let viewer: TestPerson;
let page: Page;
let messages: string[];
let org: Organization;
let project: Project;

beforeAll(async () => {
  app = await startTestApp({ OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
  owner = await app.person("Ada");
  viewer = await app.person("Grace");
  org = await makeOrganization(owner);
  const body = { user_id: viewer.id, role_id: systemRoleIds.viewer };
  await owner.api.members.add({ params: { org_id: org.id }, body });
  project = await makeProjectWith(owner, org.id, {
    ".gitignore": "node_modules/\n",
    "lock.txt": "one\n",
  });
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const button = (name: string, where: Page | Locator = page) =>
  where.getByRole("button", { name, exact: true });
const dialog = () => page.getByRole("dialog", { name: "Edit environment" });
const field = (name: string | RegExp) => dialog().getByLabel(name);
const table = (where: Page = page) => where.getByRole("table", { name: "Builds", exact: true });
const newest = (where: Page = page) => table(where).getByRole("row").nth(1);
const builds = async (): Promise<EnvironmentBuild[]> =>
  (await owner.api.environments.builds({ params: { project_id: project.id }, query: {} })).data;

/** Opens the project's page at its environment. */
async function visit(where: Page = page): Promise<void> {
  await where.goto(`${app.url}/projects/${project.id}/settings`);
  await where.getByRole("heading", { name: "Environment", exact: true }).scrollIntoViewIfNeeded();
}

/** Takes screenshots of a part of the page, wide and narrow. */
async function screenshots(part: Locator, name: string): Promise<void> {
  for (const [width, height, suffix] of [
    [390, 844, "-390"],
    [1440, 900, ""],
  ] as const) {
    await page.setViewportSize({ width, height });
    await part.scrollIntoViewIfNeeded();
    await screenshot(page, `${name}${suffix}`);
  }
}

test("an environment is set, and wrong input is explained at its field", async () => {
  await visit();
  await page.getByText("No environment yet.").waitFor();
  expect(await button("Build now").getAttribute("title")).toBe(
    "The environment has no setup script",
  );
  await button("Edit environment").click();
  await field(/^Setup script/).fill(
    'echo "Installing for $GREETING"\nmkdir node_modules\ncp lock.txt node_modules/package\necho note > note.txt',
  );
  await field(/^Key files/).fill("lock.txt\n../outside");
  await field(/^Allowed hosts/).fill("10.0.0.1");
  await button("Add variable", dialog()).click();
  await field("Name of variable 1").fill("GREETING");
  await field("Value of variable 1").fill("the team");
  await button("Save environment", dialog()).click();
  for (const label of [/^Key files/, /^Allowed hosts/]) {
    await expect.poll(() => field(label).getAttribute("aria-invalid")).toBe("true");
  }
  await expectAccessible(page, "environment with errors");
  await screenshots(field(/^Key files/), "environment-dialog");
  await field(/^Key files/).fill("lock.txt\n");
  await field(/^Allowed hosts/).fill("registry.npmjs.org\n*.example.com");
  await screenshots(field("Name of variable 1"), "environment-dialog-end");
  await button("Save environment", dialog()).click();
  await dialog().waitFor({ state: "detached" });
  await newest().getByText("Succeeded").waitFor();
  const { data } = await owner.api.environments.get({ params: { project_id: project.id } });
  expect(data).toMatchObject({
    cache_key_files: ["lock.txt"],
    variables: { GREETING: "the team" },
    allowed_hosts: ["registry.npmjs.org", "*.example.com"],
    network: "none",
  });
});

test("a build is shown with its layer, left-out paths and log", async () => {
  await newest()
    .getByText(/ [KM]iB$|\d B$/)
    .waitFor();
  await page.getByText("1 path was left out").click();
  await page.getByText("note.txt", { exact: true }).waitFor();
  await page.getByText("Add it to .gitignore").waitFor();
  await screenshots(page.getByRole("heading", { name: "Environment", exact: true }), "environment");
  await screenshots(table(), "environment-builds");
  await expectAccessible(page, "environment");
  await newest().getByRole("link").click();
  await page.getByRole("region", { name: "Output" }).getByText("Installing for the team").waitFor();
  await page
    .getByRole("region", { name: "Setup script" })
    .getByText("mkdir node_modules")
    .waitFor();
  await page.getByText("Succeeded").first().waitFor();
  expect(await button("Stop build").count()).toBe(0);
  await look(page, "environment-build");
});

test("a failing build is a warning with its reason", async () => {
  await visit();
  await button("Edit environment").click();
  await field(/^Setup script/).fill("echo broken >&2; exit 3");
  await button("Save environment", dialog()).click();
  await newest().getByText("Failed").waitFor();
  await page.getByText(/^The last build failed: .*New workspaces get the layer of/).waitFor();
  await screenshots(page.getByText(/^The last build failed/), "environment-failed");
  await newest().getByRole("link").click();
  await page.getByText("Failed, exit code 3").waitFor();
  await expectAccessible(page, "failed build");
});

test("a running build is live, runs wait for it, and it is stopped on its page", async () => {
  await visit();
  await owner.api.environments.set({
    params: { project_id: project.id },
    body: {
      setup_script: "sleep 600",
      variables: { GREETING: "the team" },
      allowed_hosts: ["*.example.com"],
    },
  });
  // The change of another client is shown, too.
  await newest().getByText("Running").waitFor();
  const { agent } = await makeWorkspace(owner, project.id);
  const { data: run } = await owner.api.runs.create({
    params: { agent_id: agent.id },
    body: { command: ["true"] },
  });
  const other = await signedInPage(browser, app, owner);
  await other.goto(`${app.url}/agents/${agent.id}/runs/${run.id}`);
  await other.getByText("Waiting for the project's environment to be built.").waitFor();
  await screenshot(other, "run-waits-for-environment");
  // The project's hosts are those that a new run starts with.
  const third = await signedInPage(browser, app, owner);
  await third.goto(`${app.url}/agents/${(await makeWorkspace(owner, project.id)).agent.id}`);
  await button("Start agent", third).click();
  const start = third.getByRole("dialog", { name: "Start agent" });
  await start.getByRole("radio", { name: /^Restricted/ }).check();
  expect(await start.getByLabel("Allowed hosts").inputValue()).toBe("*.example.com");
  await start.getByText("A run may list fewer hosts than the project's environment").waitFor();
  await third.close();
  await newest().getByRole("link").click();
  await button("Stop build").click();
  await button("Stop build", page.getByRole("dialog")).waitFor();
  await screenshot(page, "environment-stop");
  await button("Stop build", page.getByRole("dialog")).click();
  await page.getByText(/^Stopped by Ada/).waitFor();
  await other.getByText("Succeeded").first().waitFor();
  await other.close();
  expect((await builds())[0]).toMatchObject({ status: "cancelled" });
});

test("builds count as run time of the project in the usage", async () => {
  const period = (await builds())[0]?.started_at?.slice(0, 7);
  await page.goto(`${app.url}/organizations/${org.id}/statements/${period}`);
  const usage = page.getByRole("table", { name: "Usage by agent" });
  await usage.getByRole("row", { name: /^Environment builds/ }).waitFor();
  await screenshots(usage, "environment-usage");
  expect(messages.filter((text) => !text.includes("422"))).toEqual([]);
});

test("a viewer sees the environment, its builds and why it cannot be changed", async () => {
  const other = await signedInPage(browser, app, viewer);
  await visit(other);
  await other.getByRole("region", { name: "Setup script" }).getByText("sleep 600").waitFor();
  await other.getByRole("table", { name: "Variables" }).getByText("GREETING").waitFor();
  for (const name of ["Build now", "Edit environment"]) {
    await expect.poll(() => button(name, other).getAttribute("title")).toContain("project:write");
    expect(await button(name, other).getAttribute("aria-disabled")).toBe("true");
  }
  await screenshot(other, "environment-viewer");
  await expectAccessible(other, "environment of a viewer");
  await newest(other).getByRole("link").click();
  await other.getByRole("heading", { name: "Build details" }).waitFor();
  await other.getByRole("region", { name: "Output" }).waitFor();
  await other.close();
});
