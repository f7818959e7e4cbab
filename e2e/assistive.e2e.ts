/// <reference lib="dom" />
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeAgent } from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { expectAccessible, expectFits } from "./support/accessible.js";
import { dropFirstAnswers, launchBrowser, signedInPage } from "./support/browser.js";
import { makeEveryPage } from "./support/every-page.js";

/** Low vision, screen readers, keyboard-only use and reduced motion. */
let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;
let made: Awaited<ReturnType<typeof makeEveryPage>>;

beforeAll(async () => {
  app = await startTestApp();
  browser = await launchBrowser();
  owner = await app.person("Ada");
  made = await makeEveryPage(owner);
  page = await signedInPage(browser, app, owner);
  await page.addInitScript(collectAnnouncements);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

declare global {
  interface Window {
    announced: string[];
  }
}

/** Records announcements: additions to the live region. */
function collectAnnouncements(): void {
  window.announced = [];
  new MutationObserver((changes) => {
    for (const { target, addedNodes } of changes) {
      if (!(target instanceof Element) || !target.matches("output[aria-live=polite]")) continue;
      for (const node of addedNodes) {
        if (!(node instanceof Element)) continue;
        const text = node.matches("p") ? node : node.querySelector("p");
        window.announced.push(text?.textContent ?? "");
      }
    }
  }).observe(document, { childList: true, subtree: true });
}
const announced = (): Promise<string[]> => page.evaluate(() => window.announced);
const countTold = async (text: string): Promise<number> =>
  (await announced()).filter((message) => message === text).length;

const button = (name: string | RegExp, where: Page | Locator = page) =>
  where.getByRole("button", { name, exact: true });
const hasFocus = (locator: Locator): Promise<boolean> =>
  locator.evaluate((element) => element === document.activeElement);
const holdsFocus = (locator: Locator): Promise<boolean> =>
  locator.evaluate((element) => element.contains(document.activeElement));
const untilFocused = (locator: Locator): Promise<void> =>
  expect.poll(() => hasFocus(locator)).toBe(true);

async function open(path: string, heading?: string | RegExp): Promise<void> {
  await page.goto(app.url + path);
  await page
    .getByRole("heading", { level: 1, ...(heading === undefined ? {} : { name: heading }) })
    .waitFor();
  await page.waitForFunction(() => document.querySelector("[data-loading]") === null);
}

const settings = (tab: string): string =>
  `/organizations/${made.organization.id}/settings?tab=${tab}`;

describe("the focus", () => {
  const layers = [
    { path: () => "/projects", opener: "New project", role: "dialog", width: 1440 },
    { path: () => "/projects", opener: /^Search or jump to/, role: "dialog", width: 1440 },
    { path: () => "/projects", opener: "Open menu", role: "dialog", width: 320 },
    { path: () => settings("members"), opener: "New role", role: "dialog", width: 1440 },
    {
      path: () => settings("general"),
      opener: "Archive organization…",
      role: "dialog",
      width: 1440,
    },
    { path: () => "/projects", opener: /^Current organization/, role: "menu", width: 1440 },
  ] as const;
  test.each(layers)("goes into what $opener opens, stays there and comes back", async (layer) => {
    await page.setViewportSize({ width: layer.width, height: 900 });
    await open(layer.path());
    const opener = button(layer.opener);
    await opener.focus();
    await page.keyboard.press("Enter");
    const opened = page.getByRole(layer.role);
    await opened.waitFor();
    await expect.poll(() => holdsFocus(opened)).toBe(true);
    for (const key of Array.from({ length: 12 }, (_, at) => (at % 4 === 3 ? "Shift+Tab" : "Tab"))) {
      // The Tab key does not move within a menu.
      if (layer.role === "dialog") await page.keyboard.press(key);
      expect(await holdsFocus(opened), key).toBe(true);
    }
    await page.keyboard.press("Escape");
    await opened.waitFor({ state: "detached" });
    await untilFocused(opener);
  });

  test("moves to the next row when its row is deleted", async () => {
    await page.setViewportSize({ width: 1440, height: 900 });
    const params = { org_id: made.organization.id };
    for (const name of ["alpha", "beta"]) {
      await owner.api.roles.create({ params, body: { name, permissions: ["org:read"] } });
    }
    await open(settings("members"));
    const rows = page.getByRole("table", { name: "Roles" }).getByRole("row");
    const names = ["alpha", "beta"];
    for (const [at, name] of names.entries()) {
      await button(`Delete ${name}`).focus();
      await page.keyboard.press("Enter");
      const dialog = page.getByRole("dialog");
      await expect.poll(() => holdsFocus(dialog)).toBe(true);
      await button("Delete", dialog).focus();
      await page.keyboard.press("Enter");
      await rows.filter({ hasText: name }).waitFor({ state: "detached" });
      const next = names[at + 1];
      const row = next === undefined ? rows : rows.filter({ hasText: next });
      await expect
        .poll(() =>
          row.evaluateAll((all) => all.some((element) => element.contains(document.activeElement))),
        )
        .toBe(true);
    }
  });

  test("moves to the heading of the page that a link or the back button opens", async () => {
    await open("/projects", "Projects");
    await page.getByRole("link", { name: "Agents", exact: true }).focus();
    await page.keyboard.press("Enter");
    await untilFocused(page.getByRole("heading", { level: 1, name: "Agents" }));
    expect(await page.title()).toBe("Agents · Omoi");
    await page.goBack();
    await untilFocused(page.getByRole("heading", { level: 1, name: "Projects" }));
    expect(await page.title()).toBe("Projects · Omoi");
    await page.getByRole("link", { name: made.project.name, exact: true }).focus();
    await page.keyboard.press("Enter");
    await untilFocused(page.getByRole("heading", { level: 1, name: made.project.name }));
  });
});

describe("outcomes are announced once", () => {
  test("the viewer's actions: saved, copied, field errors", async () => {
    await open(settings("general"));
    await page.getByLabel("Description").fill("Tells");
    await button("Save Changes").click();
    await expect.poll(() => announced()).toHaveLength(1);
    await page.getByLabel("Name", { exact: true }).fill("");
    await button("Save Changes").click();
    const field = page.getByLabel("Name", { exact: true });
    await untilFocused(field);
    const describedBy = await field.getAttribute("aria-describedby");
    expect(await page.locator(`[id="${describedBy}"]`).textContent()).not.toBe("");
    await open(`/projects/${made.project.id}`);
    await button("Copy clone command").click();
    await expect.poll(() => announced()).toEqual(["Copied"]);
  });

  test("a run that ends", async () => {
    // The run of the fixture may have lost its lease by now.
    const agent = await makeAgent(owner, made.project.id);
    const { data: run } = await owner.api.runs.create({
      params: { agent_id: agent.id },
      body: { external: true },
    });
    await open(`/agents/${agent.id}/runs/${run.id}`);
    await page
      .getByRole("main")
      .getByText(/Running$/)
      .first()
      .waitFor();
    expect(await announced()).toEqual([]);
    await owner.api.runs.stop({ params: { run_id: run.id } });
    await expect.poll(() => countTold("The run ended: stopped")).toBe(1);
    await button("Stop run").waitFor({ state: "detached" });
    expect(await announced()).toEqual(["The run ended: stopped"]);
  });

  test("an import that ends", async () => {
    let isOver = false;
    await dropFirstAnswers(page);
    await page.route(`**/api/v1/projects/${made.project.id}`, async (route) => {
      const response = await route.fetch();
      const project = await response.json();
      const json = isOver ? project : { ...project, status: "importing", progress: 40 };
      await route.fulfill({ response, json });
    });
    await open(`/projects/${made.project.id}`);
    await page.getByRole("progressbar", { name: "Import" }).waitFor();
    isOver = true;
    await expect.poll(() => announced()).toEqual(["The import is done"]);
    await page.unroute(`**/api/v1/projects/${made.project.id}`);
    await page.unroute("**");
  });

  test("the reason why several parts of a page are missing", async () => {
    const ofProject = `**/api/v1/projects/${made.project.id}/**`;
    await dropFirstAnswers(page);
    await page.route(ofProject, (route) =>
      route.fulfill({
        status: 403,
        contentType: "application/problem+json",
        json: { code: "insufficient_permission", status: 403, detail: "You may not see this." },
      }),
    );
    await open(`/projects/${made.project.id}`);
    const missing = page.getByRole("heading", { name: "This could not be loaded" });
    await expect.poll(() => missing.count()).toBeGreaterThan(1);
    await expect
      .poll(() => announced())
      .toEqual(["This could not be loaded. You may not see this."]);
    await page.unroute(ofProject);
    await page.unroute("**");
  });
});

test("reduced motion disables all animation", async () => {
  await dropFirstAnswers(page);
  await page.route("**/api/v1/projects?*", () => {});
  const moving = async (reducedMotion: "reduce" | "no-preference"): Promise<number> => {
    await page.emulateMedia({ reducedMotion });
    await page.goto(`${app.url}/projects`);
    await page.locator("[data-loading]").first().waitFor();
    return page.evaluate(
      () => document.getAnimations().filter(({ playState }) => playState === "running").length,
    );
  };
  expect(await moving("no-preference")).toBeGreaterThan(0);
  expect(await moving("reduce")).toBe(0);
  await page.unroute("**/api/v1/projects?*");
  await page.unroute("**");
  await page.emulateMedia({ reducedMotion: "no-preference" });
});

describe("focus and selection are visible", () => {
  const looks = [
    { colorScheme: "light" },
    { colorScheme: "dark" },
    { forcedColors: "active" },
  ] as const;
  test.each(looks)("with %o", async (look) => {
    const usual = { colorScheme: "light", forcedColors: "none" } as const;
    // Without motion, so that no color is measured in mid-transition.
    await page.emulateMedia({ ...usual, ...look, reducedMotion: "reduce" });
    await open(settings("general"));
    const parts = [
      page.getByRole("link", { name: "Projects", exact: true }),
      button("Save Changes"),
      page.getByRole("tab", { name: "Members" }),
      page.getByLabel("Name", { exact: true }),
    ];
    for (const part of parts) {
      await part.focus();
      await page.keyboard.press("Shift");
      const { style, width, color, behind } = await part.evaluate((element) => {
        const outline = getComputedStyle(element);
        return {
          style: outline.outlineStyle,
          width: Number.parseFloat(outline.outlineWidth),
          color: outline.outlineColor,
          behind: getComputedStyle(document.body).backgroundColor,
        };
      });
      expect(style).not.toBe("none");
      expect(width).toBeGreaterThanOrEqual(2);
      expect(contrast(color, behind)).toBeGreaterThanOrEqual(3);
    }
    // Elements that are distinguished by background alone in other modes.
    if (!("forcedColors" in look)) return;
    const backgroundOf = (locator: Locator): Promise<string> =>
      locator.evaluate((element) => getComputedStyle(element).backgroundColor);
    const chosen = [
      ["tab", "General", "Members"],
      ["link", "Organizations", "Projects"],
    ] as const;
    for (const [role, one, other] of chosen) {
      const parent = role === "link" ? page.getByRole("navigation", { name: "Main" }) : page;
      const part = (name: string) => parent.getByRole(role, { name, exact: true });
      expect(await backgroundOf(part(one)), one).not.toBe(await backgroundOf(part(other)));
    }
    const border = await button("Save Changes").evaluate(
      (element) => getComputedStyle(element).borderTopWidth,
    );
    expect(border).toBe("1px");
    await page.emulateMedia({ ...usual, reducedMotion: "no-preference" });
  });
});

/** The contrast ratio of two colors (WCAG 2.2, 1.4.11), both as `rgb(…)`. */
function contrast(one: string, other: string): number {
  const luminance = (color: string): number => {
    const [red = 0, green = 0, blue = 0] = (color.match(/[\d.]+/g) ?? []).map((part) => {
      const share = Number(part) / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].toSorted((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

// The other scheme and widths are in the thorough file.
test("at 1024 pixels every page fits and is accessible", async () => {
  await page.setViewportSize({ width: 1024, height: 768 });
  for (const path of made.paths) {
    await open(path);
    await expectFits(page);
    await expectAccessible(page);
  }
});
