/// <reference lib="dom" />
import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { dropFirstAnswers, launchBrowser } from "./support/browser.js";
import { openSlowPage, type SlowPage } from "./support/slow-visit.js";

/** On a slow machine and network: small pages without layout shifts, and each click takes effect once. */
let app: TestApp;
let browser: Browser;
let owner: TestPerson;
let orgId: string;
let session: Awaited<ReturnType<BrowserContext["storageState"]>>;
/** Every type of page. */
let signedInPages: string[];
let diffPages: string[];

beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("Ada");
  orgId = (await makeOrganization(owner)).id;
  for (let nth = 1; nth <= 5; nth += 1) await makeOrganization(owner);
  const project = await makeProject(owner, orgId);
  const { agent, workspace } = await makeWorkspace(owner, project.id);
  const code = { "shop.ts": "export const price = 1;\n", Dockerfile: "FROM scratch\n" };
  await commitFiles(owner, workspace, code);
  const changed = { ...code, "shop.ts": "export const price = 2; // more\n" };
  const { commit_sha } = await commitFiles(owner, workspace, changed);
  const body = { name: "CI", organization_id: orgId };
  await owner.api.apiKeys.create({ body });
  const agentPath = `/agents/${agent.id}`;
  signedInPages = [
    "/",
    "/organizations",
    `/organizations/${orgId}`,
    `/organizations/${orgId}/settings`,
    `/organizations/${orgId}/settings?tab=members`,
    `/organizations/${orgId}/settings?tab=resources`,
    `/organizations/${orgId}/settings?tab=audit`,
    "/projects",
    `/projects/${project.id}`,
    ...["agents", "merges", "branches", "settings"].map((tab) => `/projects/${project.id}/${tab}`),
    "/agents",
    ...["", "/workspace", "/conflicts", "/runs", "/settings"].map((tab) => `${agentPath}${tab}`),
    "/settings/api-keys",
    "/settings/api-keys/new",
    "/settings/security",
    "/settings/profile",
    "/welcome",
  ];
  diffPages = [
    `${agentPath}/changes`,
    `${agentPath}/workspace/commits/${commit_sha}`,
    `${agentPath}/workspace/merge`,
  ];

  browser = await launchBrowser();
  const context = await browser.newContext();
  const account = { email: owner.email, password: owner.password };
  await context.request.post(`${app.url}/api/v1/auth/login`, { data: account });
  session = await context.storageState();
  await context.close();
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

/** First visits to every page by a slow network; and by a slow machine. */
const slowdownOfVisits = 4;

async function slowly(
  isSignedIn: boolean,
  work: (slow: SlowPage, context: BrowserContext) => Promise<void>,
  slowdown?: number,
): Promise<void> {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    ...(isSignedIn ? { storageState: session } : {}),
  });
  try {
    await work(await openSlowPage(context, slowdown), context);
  } finally {
    await context.close();
  }
}

/** The scripts of the widest page, with room for some fields of the API. */
const limits = { bytes: 196 * 1024, shift: 0.001 };
/** The diff viewer loads last, and is a few pixels higher than estimated. */
const limitsOfDiffs = { bytes: 280 * 1024, shift: 0.005 };

/**
 * Returns the defects of a first visit until the page is idle: size, layout shifts, console messages,
 * policy violations.
 */
async function faultsOf(
  path: string,
  isSignedIn: boolean,
  { bytes, shift }: { bytes: number; shift: number } = limits,
): Promise<string[]> {
  const faults: string[] = [];
  const visit = async ({ page, messages, scriptBytes, quiet, seen }: SlowPage): Promise<void> => {
    await page.goto(app.url + path);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.getByText("Loading…").first().waitFor({ state: "detached" });
    await quiet();
    const { cls, moved, violations } = await seen();
    faults.push(...messages, ...violations);
    if (cls >= shift) faults.push(...moved.map((element) => `moved ${element}`));
    if (scriptBytes() > bytes) faults.push(`${scriptBytes()} bytes of scripts`);
  };
  await slowly(isSignedIn, visit, slowdownOfVisits);
  return faults.map((fault) => `${path}: ${fault}`);
}

/** Three visits at a time: most of their duration is waiting. */
async function faultsOfAll(
  paths: readonly string[],
  ...how: [isSignedIn: boolean, limit?: typeof limits]
): Promise<string[]> {
  const left = [...paths];
  const visit = async (): Promise<string[]> => {
    const faults: string[] = [];
    for (let path = left.shift(); path !== undefined; path = left.shift()) {
      faults.push(...(await faultsOf(path, ...how)));
    }
    return faults;
  };
  return (await Promise.all([visit(), visit(), visit()])).flat();
}

test("signed out, a first visit is small and has no layout shift", async () => {
  expect(await faultsOfAll(["/login", "/register", "/forgot-password"], false)).toEqual([]);
});

test("signed in, a first visit to any page is small and has no layout shift", async () => {
  expect(await faultsOfAll(signedInPages, true)).toEqual([]);
  expect(await faultsOfAll(diffPages, true, limitsOfDiffs)).toEqual([]);
});

test("slow pages show a loading state, and a double click takes effect once", async () => {
  await slowly(true, async ({ page, messages, seen }, context) => {
    const button = (name: string) => page.getByRole("button", { name, exact: true });
    const field = (name: string) => page.getByLabel(name, { exact: true });
    const twice = async (name: string): Promise<void> => {
      await button(name).dblclick();
    };

    // The response is delayed: the page is rendered with a loading state.
    let letThrough = (): void => {};
    const held = new Promise<void>((resolve) => (letThrough = resolve));
    await dropFirstAnswers(page);
    await page.route(/\/projects\?/, async (route) => {
      await held;
      await route.continue();
    });
    await page.goto(`${app.url}/projects`);
    await page.getByRole("heading", { level: 1, name: "Projects" }).waitFor();
    await page.getByText("Loading…").first().waitFor({ state: "attached" });
    letThrough();
    await page.getByText("Loading…").first().waitFor({ state: "detached" });

    await button("New project").click();
    await field("Name").fill("Twice");
    await twice("Create project");
    await page.getByRole("heading", { level: 1, name: "Twice" }).waitFor();

    await button("New agent").click();
    await field("Name").fill("twice-1");
    await twice("Create agent");
    await page.getByRole("dialog").waitFor({ state: "hidden" });

    await page.goto(`${app.url}/organizations/new`);
    await field("Name").fill("Twice Limited");
    await twice("Create organization");
    await page.getByRole("heading", { level: 1, name: "Twice Limited" }).waitFor();

    await page.goto(`${app.url}/settings/api-keys/new`);
    await field("Name").fill("Twice");
    await twice("Generate Key");
    await page.getByText(/^sk_live_\w{36}$/).waitFor();
    const key = await page.getByText(/^sk_live_\w{36}$/).innerText();

    // A menu, the palette and a dialog lock the page behind them.
    await page.getByRole("button", { name: /^Profile of/ }).click();
    await page.getByRole("menu").waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox", { name: "Search and commands" }).waitFor();
    await page.keyboard.press("Escape");

    const { violations } = await seen();
    expect({ messages, violations }).toEqual({ messages: [], violations: [] });
    const organizations = (await owner.api.organizations.list({ query: {} })).data;
    expect(organizations.filter(({ name }) => name === "Twice Limited")).toHaveLength(1);
    const projects = (await owner.api.projects.list({ query: {} })).data;
    expect(projects.filter(({ name }) => name === "Twice")).toHaveLength(1);
    const agents = (await owner.api.agents.list({ query: {} })).data;
    expect(agents.filter(({ name }) => name === "twice-1")).toHaveLength(1);
    const keys = (await owner.api.apiKeys.list({ query: {} })).data;
    expect(keys.filter(({ name }) => name === "Twice")).toHaveLength(1);

    // Nothing stored in the browser grants access: no key, password or session.
    const stored = await page.evaluate(() =>
      JSON.stringify([
        Object.entries(localStorage),
        Object.entries(sessionStorage),
        document.cookie,
      ]),
    );
    const secrets = (await context.cookies())
      .filter(({ httpOnly }) => httpOnly)
      .map(({ value }) => value);
    expect(secrets.length).toBeGreaterThan(0);
    for (const secret of [...secrets, key, owner.password]) expect(stored).not.toContain(secret);
    expect(stored).not.toMatch(/sk_live_|eyJ/);
  });
});
