import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { answer, startReceiver, type Receiver } from "#test/support/webhooks/receiver.js";
import { expectAccessible } from "./support/accessible.js";
import { launchBrowser, screenshot, signedInPage, watchConsole } from "./support/browser.js";

/** The webhooks of an organization, through its pages. */
let app: TestApp;
let browser: Browser;
let owner: TestPerson;
let viewer: TestPerson;
let page: Page;
let messages: string[];
let org: Organization;
let receiver: Receiver;

beforeAll(async () => {
  app = await startTestApp({ OMOI_WEBHOOK_PRIVATE_HOSTS: "true" });
  receiver = await startReceiver();
  owner = await app.person("Ada");
  viewer = await app.person("Grace");
  org = await makeOrganization(owner);
  const body = { user_id: viewer.id, role_id: systemRoleIds.viewer };
  await owner.api.members.add({ params: { org_id: org.id }, body });
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
const host = () => new URL(receiver.url).host;

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

test("an owner creates a webhook, sees its secret once and tests it", async () => {
  await page.goto(`${app.url}/organizations/${org.id}/settings?tab=webhooks`);
  await page.getByText("No webhooks yet.").waitFor();
  await button("New webhook").click();
  const form = dialog("New webhook");
  await form.getByLabel("URL", { exact: true }).fill("http://169.254.169.254/");
  await button("Create webhook", form).click();
  await form.getByText("link-local or metadata address").waitFor();
  await form.getByLabel("URL", { exact: true }).fill(receiver.url);
  await form.getByLabel("Chosen events").check();
  await button("Create webhook", form).click();
  await form.getByText("name at least one event", { exact: false }).first().waitFor();
  await form.getByText("Role", { exact: true }).click();
  await form.getByLabel("role.created").check();
  await form.getByText("Run", { exact: true }).click();
  await form.getByLabel("All run events").check();
  await pictures("webhook-dialog");
  await button("Create webhook", form).click();
  const secret = dialog("Webhook created").getByTestId("secret");
  receiver.secret = (await secret.textContent()) ?? "";
  expect(receiver.secret).toMatch(/^whsec_/);
  await pictures("webhook-secret");
  await button("Done").click();
  await page.getByText("role.created, run.*").waitFor();
  await button(`Test ${host()}`).click();
  await page.getByText("The test was delivered").waitFor();
  expect(receiver.received).toMatchObject([
    { isVerified: true, payload: { type: "webhook.test" } },
  ]);
  await page.reload();
  await page.getByText("role.created, run.*").waitFor();
  expect(await page.content()).not.toContain(receiver.secret);
  await pictures("webhooks");
});

test("the log shows a failed delivery with its response, and sends it again", async () => {
  receiver.respond = answer(500, "out of order \u202e");
  const body = { name: "reviewers", permissions: ["org:read"] };
  await owner.api.roles.create({ params: { org_id: org.id }, body });
  await button(`Deliveries to ${host()}`).click();
  const log = dialog("Deliveries");
  await log.getByText("Retrying").waitFor();
  await button("Details of role.created", log).click();
  await log.getByText("The receiver answered with status 500.").waitFor();
  await log.getByLabel("Response").getByText("U+202E").waitFor();
  await log.getByText('"type": "role.created"').waitFor();
  await pictures("webhook-deliveries");
  receiver.respond = answer(204);
  await button("Redeliver", log).click();
  await log.getByText("Retrying").waitFor({ state: "detached" });
  expect(receiver.received.at(-1)?.id).toBe(receiver.received.at(-2)?.id);
  await log.getByLabel("State").selectOption({ label: "Failed" });
  await log.getByText("No deliveries.").waitFor();
  await button("Close", log).click();
});

test("a webhook is changed, disabled, enabled and deleted", async () => {
  await button(`Edit ${host()}`).click();
  const form = dialog("Edit webhook");
  await form.getByLabel("All events").check();
  await form.getByLabel("Description").fill("Chat of the team");
  await button("Save", form).click();
  await page.getByText("Chat of the team").waitFor();
  await page.getByText("All events").waitFor();
  await button(`Rotate secret of ${host()}`).click();
  await button("Rotate secret", dialog("Rotate the secret?")).click();
  await dialog("New secret").getByTestId("secret").waitFor();
  await button("Done").click();
  await button(`Disable ${host()}`).click();
  await button("Disable", dialog("Disable this webhook?")).click();
  await page.getByText("●Disabled").waitFor();
  await button(`Enable ${host()}`).click();
  await page.getByText("●Enabled").waitFor();
  await button(`Delete ${host()}`).click();
  await button("Delete", dialog("Delete this webhook?")).click();
  await page.getByText("No webhooks yet.").waitFor();
  // The address that was refused.
  expect(messages).toEqual([expect.stringContaining("422")]);
});

test("a viewer sees whom to ask", async () => {
  const theirs = await signedInPage(browser, app, viewer);
  await theirs.goto(`${app.url}/organizations/${org.id}/settings?tab=webhooks`);
  await theirs.getByText("Ask an owner or an admin for it.").waitFor();
});
