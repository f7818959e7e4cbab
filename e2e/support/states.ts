/// <reference lib="dom" />
import type { Locator, Page } from "playwright-core";
import { expect } from "vitest";
import { expectAccessible, expectFits } from "./accessible.js";
import { dropFirstAnswers } from "./browser.js";

export interface LongForm {
  what: string;
  path: () => string;
  /** The button that opens it. */
  opener?: string;
  fields: Record<string, string>;
  submit: string;
  /** The URL of its request. */
  call: RegExp;
  /** Counts the resources that it creates, or returns the value that it sets. */
  made: () => Promise<unknown>;
  expected: unknown;
}

export const button = (name: string | RegExp, where: Page | Locator) =>
  where.getByRole("button", { name, exact: true });
export const field = (name: string, where: Page | Locator) =>
  where.getByLabel(name, { exact: true });

/** Waits until no request is pending. */
export async function settle(where: Page): Promise<void> {
  await where.getByRole("heading", { level: 1 }).waitFor();
  await where.waitForFunction(() => document.querySelector(".animate-pulse") === null);
}

export async function expectGood(where: Page, what: string): Promise<void> {
  await expectFits(where, what);
  await expectAccessible(where, what);
}

/** Opens pages on a phone, whose requests are refused: each shows the error. */
export async function expectErrors(
  refusing: Page,
  url: string,
  paths: readonly string[],
): Promise<void> {
  await refusing.setViewportSize({ width: 320, height: 844 });
  await dropFirstAnswers(refusing);
  // The current user and organization are known; all other requests are refused.
  const refused = /\/api\/v1\/(?!auth\/me$|organizations(\?|$))/;
  await refusing.route(refused, (route) =>
    route.fulfill({
      status: 403,
      contentType: "application/problem+json",
      json: { code: "insufficient_permission", status: 403, detail: "You may not see this." },
    }),
  );
  for (const path of paths) {
    await refusing.goto(url + path);
    await settle(refusing);
    await refusing.getByText("You may not see this.").first().waitFor();
    await expectGood(refusing, `${path} refused`);
  }
}

/** Fills in a form whose first response is lost: it keeps what was typed, and the second try does it once. */
export async function expectDoneOnce(page: Page, url: string, form: LongForm): Promise<void> {
  await page.goto(url + form.path());
  if (form.opener !== undefined) await button(form.opener, page).click();
  const isInDialog = form.opener !== undefined || form.path().includes("new=true");
  const where = isInDialog ? page.getByRole("dialog") : page.getByRole("main");
  for (const [name, value] of Object.entries(form.fields)) {
    await field(name, where).fill(value);
  }
  await expectAccessible(page, `${form.what}, filled in`);
  // The server processes the request, but its response is lost.
  await page.route(form.call, async (route) => {
    if (route.request().method() === "GET") return route.continue();
    await route.fetch();
    return route.abort();
  });
  await button(form.submit, where).click();
  await where.getByText("The server does not answer.").waitFor();
  for (const [name, value] of Object.entries(form.fields)) {
    expect(await field(name, where).inputValue()).toBe(value);
  }
  await page.unroute(form.call);
  await Promise.all([
    page.waitForResponse(
      (response) =>
        form.call.test(response.url()) && response.request().method() !== "GET" && response.ok(),
    ),
    button(form.submit, where).dblclick(),
  ]);
  expect(await form.made()).toEqual(form.expected);
}

/** Saves a form in two tabs: the second one is shown the change, and saves on top of it. */
export async function saveInTwoTabs(
  [page, other]: readonly [Page, Page],
  open: (tab: Page) => Promise<Locator>,
  name: string,
  [byFirst, bySecond]: readonly [string, string],
  submit: string,
  said: RegExp,
): Promise<void> {
  const first = await open(page);
  const second = await open(other);
  await field(name, first).fill(byFirst);
  await field(name, second).fill(bySecond);
  await button(submit, first).click();
  await page.getByText(said).first().waitFor();
  await button(submit, second).click();
  await second.getByText(/Another user saved changes while you edited/).waitFor();
  await second.getByText(byFirst, { exact: true }).waitFor();
  expect(await field(name, second).inputValue()).toBe(bySecond);
  await expectAccessible(other, `${name}, changed meanwhile`);
  // The change has been seen: the next attempt is based on the first one.
  await button(submit, second).click();
  await other.getByText(said).first().waitFor();
}
