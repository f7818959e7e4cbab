import axe from "axe-core";
import type { Page } from "playwright-core";
import { expect } from "vitest";

/**
 * Checks by axe that the page is accessible by keyboard, screen reader and in high contrast: WCAG 2.2
 * AA and best practices.
 * @param what names the page in the failure
 * @param within selects the part to check: axe takes a minute for thousands of like sections
 */
export function expectAccessible(page: Page, what = page.url(), within?: string): Promise<void> {
  return expectNothingFound(page, what, undefined, within);
}

/** The rules about color: all that a scheme can break in a page that was checked in another one. */
const colorRules = ["color-contrast", "link-in-text-block"];

/** The same in dark and light mode, ending in light mode; in dark mode only the rules about color. */
export async function expectAccessibleInBothSchemes(page: Page, what = page.url()): Promise<void> {
  await page.emulateMedia({ colorScheme: "dark" });
  await expectNothingFound(page, `${what}, dark`, colorRules);
  await page.emulateMedia({ colorScheme: "light" });
  await expectNothingFound(page, `${what}, light`);
}

/** The page does not scroll sideways, once its parts have loaded. */
export async function expectFits(page: Page, what = page.url()): Promise<void> {
  await page.waitForFunction(() => document.querySelector("[data-loading]") === null);
  const widerBy = () =>
    page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
  await expect.poll(widerBy, { message: `${what} scrolls sideways` }).toBe(0);
}

async function expectNothingFound(
  page: Page,
  what: string,
  rules?: string[],
  within?: string,
): Promise<void> {
  // A page that was just opened has no content yet.
  if (within === undefined) await page.locator("h1").first().waitFor({ state: "attached" });
  // Finish transitions, so that no color is measured in between.
  await page.evaluate(() =>
    Promise.allSettled(document.getAnimations().map((animation) => animation.finished)),
  );
  // By the DevTools protocol: the page's security policy blocks injected scripts.
  if (!(await page.evaluate("'axe' in window"))) await page.evaluate(axe.source);
  const options: axe.RunOptions = {
    resultTypes: ["violations"],
    // Style sheets are parsed again for one rule only, css-orientation-lock, which is experimental and off.
    preload: { assets: ["media"] },
    // WCAG rules that are off by default: targets of 24 pixels (2.5.8), and visible labels in
    // accessible names (2.5.3).
    ...(rules
      ? { runOnly: rules }
      : {
          rules: {
            "target-size": { enabled: true },
            "label-content-name-mismatch": { enabled: true },
          },
        }),
  };
  const found = await page.evaluate(
    async ([chosen, part]) => {
      // While axe looks, each sticky bar is in its place. Otherwise a bar may cover half of a link, as the
      // page is scrolled, and axe takes the other half for a target that is too small.
      const bars = new CSSStyleSheet();
      bars.replaceSync(".sticky { position: relative !important; inset: auto !important }");
      document.adoptedStyleSheets.push(bars);
      const { violations } = await (window as unknown as { axe: typeof axe }).axe.run(
        part ?? document,
        chosen,
      );
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => sheet !== bars);
      return violations.map(
        ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("; ")}`,
      );
    },
    [options, within] as const,
  );
  expect(found, what).toEqual([]);
}
