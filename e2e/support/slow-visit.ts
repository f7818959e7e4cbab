import type { BrowserContext, CDPSession, Page } from "playwright-core";
import { watchConsole, watchQuiet } from "./browser.js";

/** Defects of a page, recorded from its start. */
interface Seen {
  /** The cumulative layout shift, and the shifted elements. */
  cls: number;
  moved: string[];
  /** Violations of the content security policy. */
  violations: string[];
}

export interface SlowPage {
  page: Page;
  devtools: CDPSession;
  /** Errors and warnings of the console. */
  messages: string[];
  /** Returns the transferred bytes of scripts so far, headers included. */
  scriptBytes: () => number;
  /** Waits until no request has been sent, answered or finished for half a second. */
  quiet: () => Promise<void>;
  seen: () => Promise<Seen>;
}

/**
 * Opens a page on a slow network (50 ms, 4 Mbit/s) and machine.
 * @param slowdown the factor by which scripts take longer; the browser spins for the difference
 */
export async function openSlowPage(context: BrowserContext, slowdown = 4): Promise<SlowPage> {
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const messages = watchConsole(page);
  const devtools = await context.newCDPSession(page);
  await devtools.send("Network.enable");
  await devtools.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 50,
    downloadThroughput: 500_000,
    uploadThroughput: 250_000,
  });
  await devtools.send("Emulation.setCPUThrottlingRate", { rate: slowdown });
  const scripts = new Set<string>();
  let bytes = 0;
  devtools.on("Network.responseReceived", ({ requestId, response }) => {
    if (response.mimeType.includes("javascript")) scripts.add(requestId);
  });
  devtools.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    if (scripts.has(requestId)) bytes += encodedDataLength;
  });
  const quiet = watchQuiet(devtools);
  await page.addInitScript(watch);
  const seen = (): Promise<Seen> => page.evaluate<Seen>("seenSoFar()");
  return { page, devtools, messages, scriptBytes: () => bytes, quiet, seen };
}

/** A string, so that no browser types are needed here. */
const watch = `{
  const seen = { cls: 0, moved: [], violations: [] };
  const take = (entry) => {
    if (entry.hadRecentInput) return;
    seen.cls += entry.value;
    for (const { node } of entry.sources) {
      seen.moved.push(entry.value.toFixed(4) + " " + (node?.outerHTML ?? String(node)).slice(0, 200));
    }
  };
  const observer = new PerformanceObserver((list) => list.getEntries().forEach(take));
  observer.observe({ type: "layout-shift", buffered: true });
  document.addEventListener("securitypolicyviolation", (event) => {
    seen.violations.push(event.violatedDirective + " " + event.blockedURI + " " + event.sample);
  });
  window.seenSoFar = () => {
    observer.takeRecords().forEach(take);
    return seen;
  };
}`;
