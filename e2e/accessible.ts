import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "playwright-core";
import { expect } from "vitest";

/** Nothing serious for people who use a keyboard, a screen reader or much contrast (WCAG 2.2 AA). */
export async function expectAccessible(page: Page, what: string): Promise<void> {
  // Colours that are still on their way are neither those of before nor those of after.
  await page.evaluate(() =>
    Promise.allSettled(document.getAnimations().map((one) => one.finished)),
  );
  const { violations } = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"])
    .analyze();
  expect(
    violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("; ")}`),
    what,
  ).toEqual([]);
}
