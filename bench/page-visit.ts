import type { Browser, BrowserContext } from "playwright-core";

/** What a browser knows of a server before it visits: its session, or nothing. */
export type Session = Awaited<ReturnType<BrowserContext["storageState"]>> | undefined;

export interface Visit {
  /** Bytes of scripts as they came over the network, headers included. */
  scriptBytes: number;
  /** Requests until the page was quiet. */
  requests: number;
  lcpMs: number;
  cls: number;
  /** What the console said, and what was against the content security policy. */
  messages: string[];
}

/** One visit by a browser that has nothing in its cache, its processor slowed down `slowdown` times. */
export async function visit(
  browser: Browser,
  url: string,
  session: Session,
  slowdown: number,
): Promise<Visit> {
  const context = await browser.newContext(session ? { storageState: session } : {});
  try {
    return await visitIn(context, url, slowdown);
  } finally {
    await context.close();
  }
}

async function visitIn(context: BrowserContext, url: string, slowdown: number): Promise<Visit> {
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  await devtools.send("Network.enable");
  await devtools.send("Emulation.setCPUThrottlingRate", { rate: slowdown });
  const scripts = new Set<string>();
  let scriptBytes = 0;
  let requests = 0;
  devtools.on("Network.requestWillBeSent", () => (requests += 1));
  devtools.on("Network.responseReceived", ({ requestId, type, response }) => {
    // A module that is preloaded is of type Other until it is wanted.
    if (type === "Script" || response.mimeType.includes("javascript")) scripts.add(requestId);
  });
  devtools.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    if (scripts.has(requestId)) scriptBytes += encodedDataLength;
  });
  const messages: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) messages.push(message.text());
  });
  page.on("pageerror", (error) => messages.push(String(error)));
  await page.addInitScript(measurePaints);
  await page.goto(url, { waitUntil: "networkidle" });
  await page.getByRole("heading", { level: 1 }).waitFor();
  const paints = await page.evaluate<Pick<Visit, "lcpMs" | "cls">>("measured()");
  return { scriptBytes, requests, ...paints, messages };
}

/** A text and not a function: what measures has no types of the browser. */
const measurePaints = `{
  const seen = { lcpMs: 0, cls: 0 };
  const take = {
    "largest-contentful-paint": (entry) => { seen.lcpMs = entry.startTime; },
    "layout-shift": (entry) => { if (!entry.hadRecentInput) seen.cls += entry.value; },
  };
  const observers = Object.entries(take).map(([type, each]) => {
    const observer = new PerformanceObserver((list) => list.getEntries().forEach(each));
    observer.observe({ type, buffered: true });
    return [observer, each];
  });
  window.measured = () => {
    for (const [observer, each] of observers) observer.takeRecords().forEach(each);
    return seen;
  };
}`;
