import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { chromium, type Browser, type Page } from "playwright-core";

/** Debian's Chromium, without what it would look up on the network. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env["OMOI_CHROMIUM"] ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

const folder = join(import.meta.dirname, "..", process.env["OMOI_SCREENSHOTS"] ?? "test-results");

/** Keeps what a person would see; OMOI_SCREENSHOTS=docs/screenshots renews those of the README. */
export async function screenshot(page: Page, name: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  // What was just said about the step before would cover the page. As a sheet: Playwright's own style
  // element, for this and for hiding the caret, is against the content security policy.
  await page.evaluate(`
    window.hideToasts ??= new CSSStyleSheet();
    hideToasts.replaceSync("output[aria-live=polite] { display: none }");
    document.adoptedStyleSheets.push(hideToasts);
  `);
  await page.screenshot({
    path: join(folder, `${name}.png`),
    animations: "disabled",
    caret: "initial",
  });
  await page.evaluate(`
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== hideToasts);
  `);
}

/** What the page said that it should not have: errors, warnings and failed requests of the console. */
export function watchConsole(page: Page): string[] {
  const messages: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) messages.push(message.text());
  });
  page.on("pageerror", (error) => messages.push(String(error)));
  return messages;
}
