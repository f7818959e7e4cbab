import axe from "axe-core";
import type { Page } from "playwright-core";
import { expect } from "vitest";

/**
 * axe finds nothing that keeps people from using the page as it is by a keyboard, a screen reader or with
 * much contrast: WCAG 2.2 AA and what is good practice beyond.
 * @param what names the page in the failure
 */
export function expectAccessible(page: Page, what = page.url()): Promise<void> {
  return expectNothingFound(page, what);
}

/** The same in the dark and in the light, which is left; of the dark only what colours decide. */
export async function expectAccessibleInBothSchemes(page: Page, what = page.url()): Promise<void> {
  await page.emulateMedia({ colorScheme: "dark" });
  await expectNothingFound(page, `${what}, dark`, ["color-contrast", "link-in-text-block"]);
  await page.emulateMedia({ colorScheme: "light" });
  await expectNothingFound(page, `${what}, light`);
}

/** The page does not scroll sideways. */
export async function expectFits(page: Page, what = page.url()): Promise<void> {
  const wider = await page.evaluate(
    "document.documentElement.scrollWidth - document.documentElement.clientWidth",
  );
  expect(wider, `${what} scrolls sideways`).toBe(0);
}

async function expectNothingFound(page: Page, what: string, rules?: string[]): Promise<void> {
  // Colours that are still on their way are neither those of before nor those of after.
  await page.evaluate(() =>
    Promise.allSettled(document.getAnimations().map((one) => one.finished)),
  );
  // By the protocol of the developer tools: the page's security policy lets no script in.
  if (!(await page.evaluate("'axe' in window"))) await page.evaluate(axe.source);
  const options: axe.RunOptions = {
    resultTypes: ["violations"],
    // Rules of WCAG that are off by default: targets of 24 pixels (2.5.8), and visible labels as a part
    // of accessible names (2.5.3).
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
    (chosen) =>
      (window as unknown as { axe: typeof axe }).axe
        .run(document, chosen)
        .then(({ violations }) =>
          violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("; ")}`),
        ),
    options,
  );
  expect(found, what).toEqual([]);
}
