import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { startReceiver, type Receiver } from "#test/support/webhooks/receiver.js";
import { expectAccessible } from "./support/accessible.js";
import { launchBrowser, screenshot, signedInPage, watchConsole } from "./support/browser.js";

/** The choices of a person's notifications, through the page. */
let app: TestApp;
let browser: Browser;
let owner: TestPerson;
let page: Page;
let messages: string[];
let org: Organization;
let receiver: Receiver;

beforeAll(async () => {
  app = await startTestApp({
    OMOI_WEBHOOK_PRIVATE_HOSTS: "true",
    OMOI_NOTIFICATION_DELAY_SECONDS: "1",
  });
  receiver = await startReceiver();
  owner = await app.person("Ada");
  org = await makeOrganization(owner);
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
  await receiver.close();
});

const button = (name: string, where: Page | Locator = page) =>
  where.getByRole("button", { name, exact: true });
const dialog = (name: string) => page.getByRole("dialog", { name, exact: true });
const kind = (name: string) => page.getByRole("group", { name, exact: true });

/** Takes pictures in both widths and both color schemes. */
async function pictures(name: string): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    for (const width of [390, 1440]) {
      await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
      await expectAccessible(page);
      await screenshot(page, `${name}-${colorScheme}-${width}`);
    }
  }
  await page.emulateMedia({ colorScheme: "light" });
}

test("a person chooses kinds and channels, in general and for an organization", async () => {
  await page.goto(`${app.url}/`);
  await button("Profile of Ada").click();
  await page.getByRole("menuitem", { name: "Notifications" }).click();
  await page.getByRole("heading", { name: "Notifications", level: 1 }).waitFor();
  await page.getByText("until your address is confirmed").waitFor();
  await queryAsOwner(app, "update users set is_verified = true where id = $1", [owner.id]);
  await page.reload();
  await page.getByText("No mail server is set up: emails stay").waitFor();
  await kind("Conflicts").getByLabel("Email").uncheck();
  await kind("Failed runs").getByRole("combobox").selectOption("all");
  await button("Save choices").click();
  await page.getByText("Notifications saved").waitFor();
  const { data } = await owner.api.notifications.get();
  expect(data.choices.slice(0, 2)).toMatchObject([
    { kind: "run_failed", email: true, scope: "all" },
    { kind: "conflict", email: false, webhook: true },
  ]);
  await page.getByLabel("Organization", { exact: true }).selectOption(org.id);
  await expect.poll(() => kind("Conflicts").getByLabel("Email").isChecked()).toBe(false);
  await kind("Limits").getByLabel("Webhook").uncheck();
  await button("Save for this organization").click();
  await button("Use general choices").waitFor();
  const { data: own } = await owner.api.notifications.get();
  expect(own.organizations[0]?.choices?.[2]).toMatchObject({ kind: "limit_near", webhook: false });
  await button("Use general choices").click();
  await page.getByText("The general choices apply again").waitFor();
  expect((await owner.api.notifications.get()).data.organizations[0]?.choices).toBeNull();
});

test("sets a webhook, sees its secret once, tests it and finds what was sent", async () => {
  await queryAsOwner(app, "update users set is_verified = true where id = $1", [owner.id]);
  await page.goto(`${app.url}/settings/notifications`);
  await button("Set webhook").click();
  const form = dialog("Set webhook");
  await form.getByLabel("Address", { exact: true }).fill("http://169.254.169.254/");
  await button("Set webhook", form).click();
  await form.getByText("link-local or metadata address").waitFor();
  await form.getByLabel("Address", { exact: true }).fill(receiver.url);
  await button("Set webhook", form).click();
  receiver.secret = (await dialog("Webhook set").getByTestId("secret").textContent()) as string;
  await button("Done", dialog("Webhook set")).click();
  await button("Send test").click();
  await page.getByText("The test was delivered").waitFor();
  expect(receiver.received).toMatchObject([{ isVerified: true }]);

  const project = await makeProject(owner, org.id);
  const agent = await makeAgent(owner, project.id);
  const params = { agent_id: agent.id };
  const { data: run } = await owner.api.runs.create({ params, body: { external: true } });
  await owner.api.runs.stop({ params: { run_id: run.id }, body: { status: "failed" } });
  const link = page.getByRole("link", { name: `A run of agent “${agent.name}” failed` });
  await expect.poll(() => link.count()).toBe(2);
  await expect.poll(() => page.getByText("Waiting", { exact: true }).count()).toBe(0);
  await pictures("notifications");
  await page.getByLabel("Channel", { exact: true }).selectOption("email");
  await expect.poll(() => link.count()).toBe(1);
  await link.click();
  await page.waitForURL(`**/agents/${agent.id}/runs/${run.id}`);

  await page.goto(`${app.url}/settings/notifications`);
  await button("Delete webhook").click();
  await button("Delete webhook", dialog("Delete your webhook?")).click();
  await page.getByText("The webhook is deleted").waitFor();
  await button("Set webhook").waitFor();
  expect(messages).toEqual([expect.stringContaining("422")]);
});
