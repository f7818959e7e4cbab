// Thorough: changes of protection in the browser; the API's are in the gate.
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { look, launchBrowser, screenshot, signedInPage } from "./support/browser.js";

/** The page on which protection is changed: alone, by others' approval, and without the permission. */
let app: TestApp;
let browser: Browser;
let ada: TestPerson;
let grace: TestPerson;
let mel: TestPerson;
let project: Project;
let page: Page;

beforeAll(async () => {
  app = await startTestApp();
  [ada, grace, mel] = [await app.person("Ada"), await app.person("Grace"), await app.person("Mel")];
  const org = await makeOrganization(ada);
  for (const [{ id: user_id }, role] of [
    [grace, "admin"],
    [mel, "member"],
  ] as const) {
    const body = { user_id, role_id: systemRoleIds[role] };
    await ada.api.members.add({ params: { org_id: org.id }, body });
  }
  project = await makeProject(ada, org.id);
  const params = { project_id: project.id };
  await ada.api.mergeQueue.setCheck({
    params: { ...params, name: "test" },
    body: { command: ["npm", "test"] },
  });
  await ada.api.projects.update({
    params,
    body: { protected_branches: [{ pattern: "main", checks: ["test"], approvals: 1 }] },
  });
  browser = await launchBrowser();
  page = await signedInPage(browser, app, ada);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const url = () => `${app.url}/projects/${project.id}/settings`;
const button = (name: string, where: Page | Locator = page) =>
  where.getByRole("button", { name, exact: true });
const rules = async () =>
  (await ada.api.projects.get({ params: { project_id: project.id } })).data.protected_branches;
const narrow = async (name: string, of: Page, heading: string) => {
  await of.setViewportSize({ width: 390, height: 844 });
  await of.getByRole("heading", { name: heading, exact: true }).scrollIntoViewIfNeeded();
  await screenshot(of, name);
  await of.setViewportSize({ width: 1440, height: 900 });
};

test("a weaker rule is proposed, and takes effect when another person approves it", async () => {
  await page.goto(url());
  const approvals = page.getByLabel("Approvals 1", { exact: true });
  await approvals.selectOption("0");
  await page.getByText("This weakens a rule that asks for an approval.").waitFor();
  await look(page, "protection-weakening", "Protected branches");
  await narrow("protection-weakening-390", page, "Protected branches");
  await button("Propose changes").click();
  await page.getByText("Proposed: another person must approve").waitFor();
  await page.getByRole("heading", { name: "Proposed change of protection" }).waitFor();
  // The form shows the rules in force.
  await expect.poll(() => approvals.inputValue()).toBe("1");
  expect(await rules()).toMatchObject([{ approvals: 1 }]);
  const approve = button("Approve change");
  await expect.poll(() => approve.getAttribute("title")).toContain("You proposed this change");
  await look(page, "protection-pending", "Proposed change of protection");
  await narrow("protection-pending-390", page, "Proposed change of protection");

  // A second weakening waits for the first.
  await approvals.selectOption("0");
  await button("Propose changes").click();
  await page.getByText("Another change of the project's protection waits for approvals").waitFor();

  const other = await signedInPage(browser, app, grace);
  await other.goto(url());
  await button("Approve change", other).click();
  await other.getByText("Approved, and in effect now").waitFor();
  await other
    .getByRole("heading", { name: "Proposed change of protection" })
    .waitFor({ state: "detached" });
  expect(await rules()).toMatchObject([{ approvals: 0 }]);
  await other.close();
});

test("a stricter rule is saved at once", async () => {
  await page.goto(url());
  await page.getByLabel("Approvals 1", { exact: true }).selectOption("1");
  await button("Save Changes", page.getByRole("form", { name: "Protected branches" })).click();
  await page.getByText("Protected branches saved").waitFor();
  expect(await rules()).toMatchObject([{ approvals: 1 }]);
});

test("another command of a required check is proposed, and withdrawn", async () => {
  await page.goto(url());
  await button("Edit test").click();
  await page.getByLabel("Command", { exact: true }).fill("true");
  await page.getByText("This weakens a rule that asks for an approval.").waitFor();
  await screenshot(page, "protection-check");
  await button("Save").click();
  await page.getByText("Check test:").waitFor();
  await page
    .getByRole("heading", { name: "Proposed change of protection" })
    .scrollIntoViewIfNeeded();
  await screenshot(page, "protection-check-pending");
  await button("Withdraw change").click();
  await button("Withdraw change", page.getByRole("dialog")).click();
  await page.getByText("The change is withdrawn").waitFor();
});

test("a member reads the rules, with the reason why they cannot change them", async () => {
  const theirs = await signedInPage(browser, app, mel);
  await theirs.goto(url());
  await theirs
    .getByText(/may not change protected branches and checks \(project:protection:write\)/)
    .first()
    .waitFor();
  const save = button("Save Changes", theirs.getByRole("form", { name: "Protected branches" }));
  expect(await save.getAttribute("aria-disabled")).toBe("true");
  expect(await button("New check", theirs).getAttribute("aria-disabled")).toBe("true");
  await look(theirs, "protection-read-only", "Protected branches");
  await narrow("protection-read-only-390", theirs, "Protected branches");
  await theirs.close();
});
