import type { BrowserContext, CDPSession, Page } from "playwright-core";
import { watchConsole, watchQuiet } from "./browser.js";

/** What a page must not do, gathered from its first moment on. */
interface Seen {
  /** The cumulative layout shift, and what moved. */
  cls: number;
  moved: string[];
  /** What was against the content security policy. */
  violations: string[];
}

export interface SlowPage {
  page: Page;
  devtools: CDPSession;
  /** Errors and warnings of the console. */
  messages: string[];
  /** Bytes of scripts that came over the network so far, headers included. */
  scriptBytes: () => number;
  /** Settles when for half a second no request was begun, answered or ended. */
  quiet: () => Promise<void>;
  seen: () => Promise<Seen>;
}

/** A page on a slow machine (4 times slower) at the end of a slow line (50 ms, 4 Mbit/s). */
export async function openSlowPage(context: BrowserContext): Promise<SlowPage> {
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
  await devtools.send("Emulation.setCPUThrottlingRate", { rate: 4 });
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

/** A text, so that nothing of the browser's types is needed here. */
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
