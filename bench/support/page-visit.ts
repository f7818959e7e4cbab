import type { Browser, BrowserContext } from "playwright-core";

/** The state of a browser before a visit: a session, or nothing. */
export type Session = Awaited<ReturnType<BrowserContext["storageState"]>> | undefined;

export interface Visit {
  /** Transferred bytes of scripts, including headers. */
  scriptBytes: number;
  /** Requests until the network was idle. */
  requests: number;
  lcpMs: number;
  cls: number;
  /** Console messages and violations of the content security policy. */
  messages: string[];
}

/** Without requests and responses for this time, the network is idle; milliseconds. */
const idleMs = 500;

/** Visits a page with an empty cache and a processor slowed down `slowdown` times. */
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
    // A preloaded module has the type Other until it is used.
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
  // Not Playwright's network idle, which waits for the end of streams.
  let last = Date.now();
  for (const event of ["requestWillBeSent", "responseReceived", "loadingFinished"] as const) {
    devtools.on(`Network.${event}`, () => (last = Date.now()));
  }
  await page.goto(url, { waitUntil: "load" });
  for (let left = idleMs; left > 0; left = last + idleMs - Date.now()) {
    await new Promise((resolve) => setTimeout(resolve, left));
  }
  await page.getByRole("heading", { level: 1 }).waitFor();
  const paints = await page.evaluate<Pick<Visit, "lcpMs" | "cls">>(paintsSoFar);
  return { scriptBytes, requests, ...paints, messages };
}

/**
 * Reads the browser's paint entries afterwards: an observer from the start would cost a tenth of a
 * second. A string, not a function, since this file has no DOM types.
 */
const paintsSoFar = `(async () => {
  const entriesOf = (type) => new Promise((resolve) => {
    setTimeout(resolve, 1000, []);
    new PerformanceObserver((list) => resolve(list.getEntries())).observe({ type, buffered: true });
  });
  const [paints, shifts] = await Promise.all([
    entriesOf("largest-contentful-paint"),
    entriesOf("layout-shift"),
  ]);
  const unasked = shifts.filter(({ hadRecentInput }) => !hadRecentInput);
  return {
    lcpMs: paints.at(-1).startTime,
    cls: unasked.reduce((sum, { value }) => sum + value, 0),
  };
})()`;
