import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { createClient } from "#shared/api/client.js";
// @ts-expect-error -- a script for a bare Node, without types
import { findChromium as find } from "../scripts/chromium.mjs";
import { median, ms, type Benchmark, type Row } from "./harness.js";
import { startServer } from "./server.js";

const findChromium = find as () => string | null;
const rounds = 5;
const slowdown = 4;
const targetKiB = 180;
const targetMs = 1000;
const person = { email: "ada@example.com", password: "correct staple horse" };

/** What a browser that was never here loads, and how soon somebody sees what he came for. */
export const pages: Benchmark = {
  name: "pages",
  method:
    `Chromium with an empty cache and its processor slowed down ${slowdown} times (DevTools protocol), ` +
    `the built app served by our server on loopback: the median of ${rounds} visits. Scripts are the ` +
    "bytes that came over the network for a page, compressed as they were sent. LCP is the largest " +
    "contentful paint, CLS the worst cumulative layout shift of the visits. The organizations' page " +
    "holds 20 organizations.",
  run: async (folder, log) => {
    const executablePath = findChromium();
    if (executablePath === null) {
      return [
        {
          what: "Pages",
          measured: "not measured: needs Chromium",
          against: "",
          ratio: "",
          target: "",
          met: null,
        },
      ];
    }
    const server = await startServer({ dataDir: `${folder}/data` });
    const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
    try {
      await fill(server.url);
      const signedIn = await signIn(browser, server.url);
      const visits = {
        "Sign-in page, first visit": { path: "/login" },
        "Organizations, signed in": { path: "/organizations", state: signedIn },
        "Workspaces' list (agents), signed in": { path: "/agents", state: signedIn },
      };
      const rows: Row[] = [];
      for (const [what, { path, ...state }] of Object.entries(visits)) {
        const seen: Visit[] = [];
        // The first warms the server up and is dropped.
        for (let round = 0; round <= rounds; round += 1) {
          log(`${what}, ${round} of ${rounds}`);
          const one = await visit(browser, `${server.url}${path}`, state);
          if (round > 0) seen.push(one);
        }
        rows.push(...rowsOf(what, seen));
      }
      return rows;
    } finally {
      await browser.close();
      await server.stop();
    }
  },
};

type State = Awaited<ReturnType<BrowserContext["storageState"]>>;

interface Visit {
  scriptBytes: number;
  lcpMs: number;
  cls: number;
  messages: number;
}

async function fill(url: string): Promise<void> {
  const anybody = createClient((path, init) => fetch(url + path, init));
  await anybody.auth.register({ body: person });
  const { data } = await anybody.auth.login({ body: person });
  const signedIn = createClient((path, init) =>
    fetch(url + path, {
      ...init,
      headers: {
        ...(init.headers as Record<string, string>),
        authorization: `Bearer ${data.access_token}`,
      },
    }),
  );
  for (let made = 1; made <= 20; made += 1) {
    await signedIn.organizations.create({ body: { name: `Organization ${made}` } });
  }
}

async function signIn(browser: Browser, url: string): Promise<State> {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${url}/login`);
  await page.getByLabel("E-mail address").fill(person.email);
  await page.getByLabel("Password", { exact: true }).fill(person.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.waitForURL(/\/organizations/);
  const state = await context.storageState();
  await context.close();
  return state;
}

/** One visit by a browser that knows nothing but the session. */
async function visit(browser: Browser, url: string, { state }: { state?: State }): Promise<Visit> {
  const context = await browser.newContext(state ? { storageState: state } : {});
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  await devtools.send("Network.enable");
  await devtools.send("Emulation.setCPUThrottlingRate", { rate: slowdown });
  const scripts = new Set<string>();
  let scriptBytes = 0;
  devtools.on("Network.responseReceived", ({ requestId, type }) => {
    if (type === "Script") scripts.add(requestId);
  });
  devtools.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    if (scripts.has(requestId)) scriptBytes += encodedDataLength;
  });
  let messages = 0;
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) messages += 1;
  });
  await page.goto(url, { waitUntil: "networkidle" });
  await page.getByRole("heading", { level: 1 }).waitFor();
  const { lcpMs, cls } = await paintsOf(page);
  await context.close();
  return { scriptBytes, lcpMs, cls, messages };
}

function paintsOf(page: Page): Promise<{ lcpMs: number; cls: number }> {
  // A text and not a function: what measures has no types of the browser.
  return page.evaluate(`new Promise((resolve) => {
    const seen = { lcpMs: 0, cls: 0 };
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) seen.lcpMs = entry.startTime;
    }).observe({ type: "largest-contentful-paint", buffered: true });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) seen.cls += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
    setTimeout(() => resolve(seen), 500);
  })`);
}

function rowsOf(what: string, visits: readonly Visit[]): Row[] {
  const kib = median(visits.map(({ scriptBytes }) => scriptBytes)) / 1024;
  const lcp = median(visits.map(({ lcpMs }) => lcpMs));
  const cls = Math.max(...visits.map((one) => one.cls));
  const messages = Math.max(...visits.map((one) => one.messages));
  const none = { against: "", ratio: "" };
  return [
    {
      ...none,
      what: `${what}: scripts`,
      measured: `${kib.toFixed(0)} KiB`,
      target: `at most ${targetKiB} KiB`,
      met: kib <= targetKiB,
    },
    {
      ...none,
      what: `… LCP, processor ${slowdown} × slower`,
      measured: ms(lcp),
      target: `under ${targetMs} ms`,
      met: lcp < targetMs,
    },
    {
      ...none,
      what: "… CLS; messages in the console",
      measured: `${cls.toFixed(3)}; ${messages}`,
      target: "0.000; 0",
      met: cls < 0.0005 && messages === 0,
    },
  ];
}
