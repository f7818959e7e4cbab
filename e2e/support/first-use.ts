import type { Page } from "playwright-core";
import { expect } from "vitest";

/** The first account. */
export const account = { email: "ada@example.com", password: "correct staple horse" };

/**
 * Goes from the first page of a new installation to a merged change.
 * @param seen looks at a step
 */
export async function walkFirstUse(
  page: Page,
  url: string,
  seen?: (name: string) => Promise<void>,
): Promise<void> {
  const button = (name: string | RegExp) => page.getByRole("button", { name, exact: true });
  const field = (name: string) => page.getByLabel(name, { exact: true });
  const current = () => page.locator("[aria-current=step]");
  // The sign-in, which the form of the first account replaces, never appears: input would be lost.
  const methods = "**/api/v1/auth/methods";
  let answer = (): void => {};
  const asked = new Promise<void>((resolve) => (answer = resolve));
  await page.route(methods, async (route) => {
    await asked;
    await route.fallback();
  });
  const request = page.waitForRequest(methods);
  await page.goto(`${url}/`);
  await page.waitForURL(/\/login/);
  await request;
  await page.getByRole("heading", { level: 1 }).waitFor();
  expect(await field("Email address").count()).toBe(0);
  answer();
  // No account exists yet, so no sign-in is offered.
  await page.getByRole("heading", { name: "Create the administrator account" }).waitFor();
  expect(await page.getByRole("link", { name: "Sign in" }).count()).toBe(0);
  await seen?.("first-account");
  await field("Email address").fill("ada@example");
  // A field is validated on blur, then on every keystroke.
  await field("Password").focus();
  await page.getByText("Must be an email address").waitFor();
  await page.getByLabel(/^Full name/).fill("Ada Lovelace");
  await field("Email address").fill(account.email);
  await page.getByText("Must be an email address").waitFor({ state: "hidden" });
  await field("Password").fill(account.password);
  await button("Create administrator account").click();
  await page.waitForURL(/\/welcome$/);
  await current().getByRole("heading", { name: "Create an organization" }).waitFor();
  await seen?.("welcome");

  // Each step is filled in: its button is enough.
  await field("Organization name").fill("");
  await button("Create organization").click();
  await page.getByText("Must not be empty").waitFor();
  await page.reload();
  expect(await field("Organization name").inputValue()).toBe("Ada's team");
  await button("Create organization").click();

  await current().getByRole("heading", { name: "Add a project" }).waitFor();
  expect(await field("Name").inputValue()).toBe("First project");
  await seen?.("first-use-project");
  await button("Create project").click();

  // The guide resumes after an interruption.
  await current().getByRole("heading", { name: "Give an agent its workspace" }).waitFor();
  await page.goto(`${url}/organizations`);
  await page.getByRole("link", { name: "Getting started" }).click();
  await current().getByRole("heading", { name: "Give an agent its workspace" }).waitFor();
  await seen?.("first-use-agent");
  await button("Create agent and workspace").click();

  await current().getByRole("heading", { name: "Make a first commit" }).waitFor();
  await current()
    .getByText(/^echo /)
    .waitFor();
  await button("Commit").click();
  await page.getByText("Nothing has changed in the folder yet").waitFor();
  await current().getByText("a demo script plays one").waitFor();
  await seen?.("first-use-commit");
  await button("Run the demo script").click();

  await current().getByRole("heading", { name: "Merge it" }).waitFor();
  await current().getByText("1 file would change on main").waitFor();
  await seen?.("first-use-merge");
  await button("Merge into main").click();

  await current().getByRole("heading", { name: "See two agents conflict" }).waitFor();
  await seen?.("first-use-conflict");
}
