// Thorough: several people in one session, and a phone.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { expectAccessible, expectFits } from "./support/accessible.js";
import { launchBrowser, screenshot, signedInPage } from "./support/browser.js";

/** Shared conversations with a scripted agent. */
let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;
let agent: Agent;

beforeAll(async () => {
  app = await startTestApp({}, "real");
  owner = await app.person("Ada");
  const project = await makeProject(owner, (await makeOrganization(owner)).id);
  agent = (await makeWorkspace(owner, project.id)).agent;
  const { data: session } = await owner.api.agentSessions.create({
    params: { agent_id: agent.id },
    body: { preset: "custom", command: acpAgent(), prompt: "say Hello." },
  });
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  await page.goto(`${app.url}/agents/${agent.id}/sessions/${session.id}`);
  await page.getByText("Waiting for a prompt").first().waitFor();
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const prompt = async (text: string): Promise<void> => {
  await page.getByRole("textbox", { name: "Prompt" }).fill(text);
  await page.keyboard.press("Enter");
};

test("a viewer reads along, and two people answer one request", async () => {
  const viewer = await app.person("Vera");
  const bob = await app.person("Bob");
  for (const [person, role_id] of [
    [viewer, systemRoleIds.viewer],
    [bob, systemRoleIds.admin],
  ] as const) {
    const params = { org_id: agent.organization_id };
    await owner.api.members.add({ params, body: { user_id: person.id, role_id } });
  }
  await prompt("ask");
  const theirs = await signedInPage(browser, app, viewer);
  await theirs.goto(page.url());
  const deny = theirs.getByRole("button", { name: "Deny: Delete everything 0" });
  await deny.waitFor();
  await expect.poll(() => deny.getAttribute("title")).toContain("agent:run");
  expect(await deny.getAttribute("aria-disabled")).toBe("true");
  expect(await theirs.getByRole("textbox", { name: "Prompt" }).isDisabled()).toBe(true);
  await expectAccessible(theirs, "a session that a viewer sees");
  const others = await signedInPage(browser, app, bob);
  await others.goto(page.url());
  const allow = [page, others].map((one) =>
    one.getByRole("button", { name: "Allow: Delete everything 0" }),
  );
  for (const one of allow) await one.waitFor();
  const answers = allow.map((one) => one.click({ timeout: 15_000 }));
  // The slower one may find no button any more.
  await Promise.any(answers);
  await Promise.allSettled(answers);
  // One answer counts, and all see whose.
  for (const one of [page, others, theirs]) {
    await one.getByText(/^Allowed by (Ada|Bob): Delete everything 0$/).waitFor();
    await one.getByText("answers: yes").waitFor();
  }
  for (const one of [theirs, others]) await one.context().close();
});

test("on a phone a session is read, answered and prompted by touch", async () => {
  const phone = await signedInPage(browser, app, owner, {
    viewport: { width: 390, height: 844 },
    deviceScaleFactor: 3,
    isMobile: true,
    hasTouch: true,
  });
  await phone.goto(`${app.url}/agents`);
  await phone.getByRole("link", { name: agent.name, exact: true }).tap();
  const lines = phone.getByRole("region", { name: "Transcript" });
  await lines.getByText("answers: yes").waitFor();
  const field = phone.getByRole("textbox", { name: "Prompt" });
  await field.tap();
  await field.fill("ask");
  await phone.getByRole("button", { name: "Send" }).tap();
  await phone.getByRole("button", { name: "Allow: Delete everything 0" }).tap();
  await lines.getByText("answers: yes").nth(1).waitFor();
  await expectFits(phone, "a session on a phone");
  await screenshot(phone, "session-phone");
  await phone
    .getByRole("tab", { name: "Changes" })
    .or(phone.getByRole("link", { name: "Changes", exact: true }))
    .first()
    .tap();
  await phone.waitForURL(/\/changes$/);
  await phone.context().close();
});
