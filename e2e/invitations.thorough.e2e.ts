/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { mailsTo } from "#test/support/mail/outbox.js";
import { expectAccessibleInBothSchemes, expectFits } from "./support/accessible.js";
import {
  launchBrowser,
  newPage,
  signedInPage,
  screenshot,
  watchConsole,
} from "./support/browser.js";

let app: TestApp;
let browser: Browser;
let ada: TestPerson;
let organization: Organization;
let params: { org_id: string };
let adas: Page;
let adasMessages: string[];

beforeAll(async () => {
  app = await startTestApp({ OMOI_REGISTRATION: "invite" });
  ada = await app.person("Ada-Lovelace");
  organization = (await ada.api.organizations.create({ body: { name: "Acme Corp" } })).data;
  params = { org_id: organization.id };
  browser = await launchBrowser();
  adas = await signedInPage(browser, app, ada);
  adasMessages = watchConsole(adas);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

async function signIn(page: Page, email: string, password: string): Promise<void> {
  await page.goto(`${app.url}/login`);
  await page.getByLabel("Email address").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.waitForURL(`${app.url}/`);
}

/** Checks the page by axe, and for overflow on a phone. */
async function expectGood(page: Page, name: string): Promise<void> {
  await expectAccessibleInBothSchemes(page, name);
  await screenshot(page, name);
  await page.setViewportSize({ width: 320, height: 844 });
  await expectFits(page, name);
  await screenshot(page, `phone-${name}`);
  await page.setViewportSize({ width: 1440, height: 900 });
}

const unavailable = {
  type: "about:blank",
  title: "Service unavailable",
  status: 503,
  detail: "The database cannot be reached.",
  code: "unavailable",
};

const dialog = () => adas.getByRole("dialog");
const button = (name: string | RegExp) => adas.getByRole("button", { name, exact: true });
const row = (email: string) =>
  adas.getByRole("table", { name: "Invitations" }).getByRole("row", { name: email });
const roleId = async (name: string): Promise<string> =>
  (await ada.api.roles.list({ params })).data.find((role) => role.name === name)?.id as string;
const invite = async (email: string) => {
  const body = { email, role_id: await roleId("viewer") };
  return (await ada.api.invitations.create({ params, body })).data;
};

test("the owner invites through the page; the invitee registers, joins and is a member", async () => {
  const settings = `${app.url}/organizations/${organization.id}/settings?tab=members`;
  await adas.goto(settings);
  await adas.getByText("No open invitations.").waitFor();
  await button("Invite Member").click();
  await dialog().getByLabel("Email address").fill("grace");
  await button("Create invitation").click();
  await dialog().getByText("Must be an email address").waitFor();
  await dialog().getByLabel("Email address").fill("Grace@Example.com");
  expect(await dialog().getByLabel("Role").inputValue()).toBe(await roleId("member"));
  await expectGood(adas, "invite");
  await button("Create invitation").click();
  await dialog().getByText("Invitation created").waitFor();
  const link = (await dialog().getByTestId("invite-url").textContent()) ?? "";
  expect(link).toMatch(new RegExp(`^${app.url}/invitations/[\\w-]{43}$`));
  await expectGood(adas, "invitation-link");
  await button("Copy link").click();
  await adas.getByText("Link copied").waitFor();
  await button("Done").click();
  await row("grace@example.com").getByText("Pending").waitFor();
  await row("grace@example.com").getByText("Invited by Ada-Lovelace").waitFor();
  await expect
    .poll(() => adas.evaluate(() => document.activeElement?.textContent))
    .toBe("Invite Member");
  expect(await adas.content()).not.toContain(link);
  await expectGood(adas, "invitations");
  await expect
    .poll(async () => (await mailsTo(app, "grace@example.com")).map(({ text }) => text).join())
    .toContain(link);

  await button("Invite Member").click();
  await dialog().getByLabel("Email address").fill("grace@example.com");
  await button("Create invitation").click();
  await dialog()
    .getByText(/has an open invitation; send it again, or revoke it/)
    .waitFor();
  await button("Cancel").click();

  const graces = await newPage(browser);
  const opened = await graces.goto(link);
  // The invitation's page sends no referrer.
  expect(opened?.headers()["referrer-policy"]).toBe("same-origin");
  await graces.getByRole("heading", { name: "Join Acme Corp" }).waitFor();
  await graces.getByText("Ada-Lovelace invites you").waitFor();
  await expectGood(graces, "invitation-signed-out");
  await graces.getByRole("link", { name: "Create an account" }).click();
  const address = graces.getByLabel("Email address");
  await expect.poll(() => address.inputValue()).toBe("grace@example.com");
  expect(await address.evaluate((input: HTMLInputElement) => input.readOnly)).toBe(true);
  await graces.getByText("With it you join Acme Corp as member.").waitFor();
  await expectGood(graces, "invitation-register");
  await graces.getByLabel(/^Full name/).fill("Grace Hopper");
  await graces.getByLabel("Password", { exact: true }).fill("correct staple horse");
  await graces.getByRole("button", { name: "Create account" }).click();
  await graces.waitForURL(`${app.url}/organizations/${organization.id}`);
  await graces.getByText("You have joined as member").waitFor();
  await graces.getByRole("heading", { name: "Acme Corp" }).waitFor();

  await graces.goto(link);
  await graces.getByRole("heading", { name: "Already accepted" }).waitFor();
  await expectGood(graces, "invitation-accepted");
  await graces.getByText("You used it to join Acme Corp.").waitFor();
  await graces.getByRole("link", { name: "Go to your organizations" }).click();
  await graces.waitForURL(/\/organizations$/);
  await graces.context().close();

  await adas.goto(settings);
  await adas.getByLabel("Role of Grace Hopper").waitFor();
  await adas.getByText("No open invitations.").waitFor();
  await adas.getByLabel("Show accepted and revoked").check();
  await row("grace@example.com").getByText("Accepted").waitFor();
  await expectGood(adas, "invitations-all");
  expect(adasMessages.filter((message) => !/\b(409|422)\b/.test(message))).toEqual([]);
  adasMessages.length = 0;
});

test("resending invalidates the old link; revoking invalidates the new one", async () => {
  const first = await invite("linus@example.com");
  await adas.goto(`${app.url}/organizations/${organization.id}/settings?tab=members`);
  await button("Resend to linus@example.com").click();
  await dialog().getByText("New invitation link").waitFor();
  const link = (await dialog().getByTestId("invite-url").textContent()) ?? "";
  await button("Done").click();

  const page = await newPage(browser);
  await page.goto(first.invite_url as string);
  await page.getByRole("heading", { name: "Invitation not found" }).waitFor();
  await expectGood(page, "invitation-unknown");

  await button("Revoke the invitation of linus@example.com").click();
  await dialog().getByText("Revoke this invitation?").waitFor();
  await expectGood(adas, "invitation-revoke");
  await dialog().getByRole("button", { name: "Revoke" }).click();
  await adas.getByText("The invitation of linus@example.com is revoked").waitFor();
  await row("linus@example.com").waitFor({ state: "hidden" });
  await page.goto(link);
  await page.getByRole("heading", { name: "This invitation was revoked" }).waitFor();
  await expectGood(page, "invitation-revoked");
  await page.context().close();
  expect(adasMessages).toEqual([]);
});

test("an expired invitation names the next step", async () => {
  const sent = await invite("late@example.com");
  await queryAsOwner(app, "update invitations set expires_at = now() where id = $1", [sent.id]);
  const page = await newPage(browser);
  await page.goto(sent.invite_url as string);
  await page.getByRole("heading", { name: "This invitation has expired" }).waitFor();
  await expectGood(page, "invitation-expired");
  await page.context().close();
  await adas.reload();
  await row("late@example.com").getByText("Expired").waitFor();
});

test("an invitation that cannot be loaded is shown after a retry", async () => {
  const sent = await invite("retry@example.com");
  const page = await newPage(browser);
  const offers = "**/api/v1/invitations/*";
  await page.route(offers, (route) => route.fulfill({ status: 503, json: unavailable }));
  await page.goto(sent.invite_url as string);
  await page.getByText(unavailable.detail, { exact: true }).waitFor();
  await expectGood(page, "invitation-unavailable");
  await page.unroute(offers);
  await page.getByRole("button", { name: "Retry" }).click();
  await page.getByRole("heading", { name: "Join Acme Corp" }).waitFor();
  await page.context().close();
});

test("another user signs out first; the invitee signs in and accepts", async () => {
  const barbara = { email: "barbara@example.com", password: "correct staple horse" };
  const join = await invite(barbara.email);
  const token = join.invite_url?.split("/").at(-1) as string;
  await app.client().auth.register({ body: { ...barbara, invitation: token } });

  const page = await newPage(browser);
  await signIn(page, ada.email, ada.password);
  await page.goto(join.invite_url as string);
  await page.getByText(`You are signed in as ${ada.email}`).waitFor();
  await expectGood(page, "invitation-other");
  await page.getByRole("button", { name: "Sign out and continue" }).click();
  await page.getByRole("link", { name: "Sign in" }).click();
  await page.getByLabel("Email address").fill(barbara.email);
  await page.getByLabel("Password", { exact: true }).fill(barbara.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("button", { name: "Accept invitation" }).waitFor();
  await expectGood(page, "invitation-accept");

  await ada.api.organizations.archive({ params });
  await page.getByRole("button", { name: "Accept invitation" }).click();
  await page.getByRole("alert").getByText("archived").waitFor();
  await page.reload();
  await page.getByText("The organization is archived.").waitFor();
  await expectGood(page, "invitation-archived");
  await ada.api.organizations.restore({ params });
  await page.reload();
  await page.getByRole("button", { name: "Accept invitation" }).click();
  await page.waitForURL(`${app.url}/organizations/${organization.id}`);
  await page.getByText("You have joined as viewer").waitFor();

  await page.goto(`${app.url}/organizations/${organization.id}/settings?tab=members`);
  const off = page.getByRole("button", { name: "Invite Member", exact: true });
  await expect.poll(() => off.getAttribute("title")).toMatch(/Your role \(viewer\) may not add/);
  await page.context().close();
});

test("roles beyond an admin's own are disabled with a reason", async () => {
  const admin = { email: "admin@example.com", password: "correct staple horse" };
  const body = { email: admin.email, role_id: await roleId("admin") };
  const { data } = await ada.api.invitations.create({ params, body });
  const token = data.invite_url?.split("/").at(-1) as string;
  await app.client().auth.register({ body: { ...admin, invitation: token } });
  const { data: tokens } = await app.client().auth.login({ body: admin });
  await app.client(tokens.access_token).invitations.accept({ params: { token } });
  const boss = { email: "boss@example.com", role_id: await roleId("owner") };
  await ada.api.invitations.create({ params, body: boss });

  const page = await newPage(browser);
  await signIn(page, admin.email, admin.password);
  await page.goto(`${app.url}/organizations/${organization.id}/settings?tab=members`);
  const revoke = page.getByRole("button", { name: "Revoke the invitation of boss@example.com" });
  await expect.poll(() => revoke.getAttribute("title")).toMatch(/Your role \(admin\) may not/);
  await page.getByRole("button", { name: "Invite Member", exact: true }).click();
  const owner = page.getByRole("option", { name: "owner (gives more than you hold)" });
  expect(await owner.isDisabled()).toBe(true);
  await expectGood(page, "invite-as-admin");
  await page.context().close();
});

test("with registration closed, the page says who can create an account", async () => {
  const closed = await startTestApp({ OMOI_REGISTRATION: "closed" });
  const owner = await closed.person("Owner");
  const { data: org } = await owner.api.organizations.create({ body: { name: "Closed Corp" } });
  const { data } = await owner.api.invitations.create({
    params: { org_id: org.id },
    body: { email: "new@example.com", role_id: await roleId("viewer") },
  });
  const page = await newPage(browser);
  await page.goto(data.invite_url as string);
  await page.getByText("Registration is closed on this server.").waitFor();
  expect(await page.getByRole("link", { name: "Create an account" }).count()).toBe(0);
  await expectGood(page, "invitation-closed");
  await page.context().close();
  await closed.close();
});
