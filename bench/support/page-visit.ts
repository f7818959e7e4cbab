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
  await page.goto(url, { waitUntil: "networkidle" });
  await page.getByRole("heading", { level: 1 }).waitFor();
  const paints = await page.evaluate<Pick<Visit, "lcpMs" | "cls">>(paintsSoFar);
  return { scriptBytes, requests, ...paints, messages };
}

/**
 * What the browser has noted of the page's paints. It is asked afterwards: a script that listens from the
 * start takes a tenth of a second of what it measures. A text and not a function: what measures has no
 * types of the browser.
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
