/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import type { NodeProject } from "#shared/api/operation/nodes.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeAgent, makeOrganization } from "#test/support/fixtures/factories.js";
import type { TestApp, TestPerson } from "#test/support/server/app.js";
import { homeOf, startCluster, type TestCluster } from "#test/support/server/cluster.js";
import { expectAccessibleInBothSchemes, expectFits } from "./support/accessible.js";
import { launchBrowser, screenshot, signedInPage, watchConsole } from "./support/browser.js";

/** Projects move between servers, of which two are real. */
let cluster: TestCluster;
let one: TestApp;
let browser: Browser;
let page: Page;
let root: TestPerson;
let organizationId: string;
let messages: string[];

beforeAll(async () => {
  cluster = await startCluster(["node-1", "node-2"]);
  [one] = cluster.nodes as [TestApp, TestApp];
  root = await one.person("root");
  organizationId = (await makeOrganization(root)).id;
  browser = await launchBrowser();
  page = await signedInPage(browser, one, root);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await cluster.close();
});

const button = (name: string) => page.getByRole("button", { name, exact: true });
const dialog = () => page.getByRole("dialog");
const row = (name: string) => page.getByRole("row").filter({ hasText: name });

/** Checks the page, and takes pictures of it on a phone and a wide screen in both schemes. */
async function lookWell(name: string): Promise<void> {
  for (const width of [390, 1440]) {
    await page.setViewportSize({ width, height: 900 });
    await expectAccessibleInBothSchemes(page, `${name}, ${width}`);
    await expectFits(page, `${name}, ${width}`);
    for (const colorScheme of ["dark", "light"] as const) {
      await page.emulateMedia({ colorScheme });
      await screenshot(page, `${name}-${width}-${colorScheme}`);
    }
  }
}

async function makeProjectOn(node: TestApp, name: string): Promise<Project> {
  const { id } = await cluster.projectOn(node, root, organizationId);
  return (await root.api.projects.update({ params: { project_id: id }, body: { name } })).data;
}

async function goToServer(name: string): Promise<void> {
  await page.goto(`${one.url}/admin?tab=servers`);
  await page.getByRole("link", { name, exact: true }).click();
  await page.getByRole("heading", { name, exact: true }).waitFor();
  await page.getByRole("heading", { name: "Projects", exact: true }).waitFor();
}

/** Adds a server that holds its lease and does nothing, so that moves to it stay in their states. */
async function addIdleServer(): Promise<string> {
  const [added] = await queryAsOwner<{ id: string }>(
    one,
    `insert into nodes (id, name, url, folder, lease_until)
      values (gen_random_uuid(), 'idle', 'http://127.0.0.1:1', '0:0', now() + interval '1 hour')
      returning id`,
  );
  return String(added?.id);
}

test("a project moves to another server by the dialog", async () => {
  await goToServer("node-1");
  await page.getByText("No projects are stored here.").waitFor();
  await lookWell("server-empty");

  const shop = await makeProjectOn(one, "Shop");
  await page.reload();
  await button("Move Shop").click();
  await dialog().getByRole("radio", { name: "node-2" }).waitFor();
  expect(await dialog().getByRole("radio").count()).toBe(1);
  await dialog().getByText("free · ").waitFor();
  await lookWell("server-move");
  await dialog().getByRole("button", { name: "Move project" }).click();
  await page.getByText("Move started").first().waitFor();
  await page.getByText("No projects are stored here.").waitFor();
  expect(await homeOf(one, shop)).toBe("node-2");

  await goToServer("node-2");
  await row("Shop").getByText("Moved", { exact: true }).waitFor();
  await row("Shop").getByText("from node-1").waitFor();
  await button("Move Shop").waitFor();
});

test("a move is canceled after confirmation, and shows its progress and its failure", async () => {
  const site = await makeProjectOn(one, "Site");
  const idle = await addIdleServer();
  await goToServer("node-1");
  await button("Move Site").click();
  await dialog().getByRole("radio", { name: "idle" }).check();
  await dialog().getByText("Free disk unknown").waitFor();
  await dialog().getByRole("button", { name: "Move project" }).click();
  await row("Site").getByText("Waiting to be copied").waitFor();

  await queryAsOwner(one, "update project_moves set bytes_total = $1, bytes_copied = $2", [
    3 * 2 ** 30,
    2 ** 30,
  ]);
  await row("Site").getByText("1 GiB of 3 GiB").waitFor();
  const progress = page.getByRole("progressbar", { name: "Copied of Site" });
  expect(await progress.getAttribute("aria-valuenow")).toBe("33");
  await lookWell("server-copying");

  await button("Cancel move of Site").click();
  await dialog().getByText("The project stays on node-1.").waitFor();
  await lookWell("server-cancel");
  await dialog().getByRole("button", { name: "Keep moving" }).click();
  await button("Cancel move of Site").click();
  await dialog().getByRole("button", { name: "Cancel move" }).click();
  await row("Site").getByText("Canceled", { exact: true }).waitFor();
  expect(await homeOf(one, site)).toBe("node-1");

  // It can no longer be canceled when it changes its server. The server that stores it would end this state at once.
  await page.route("**/api/v1/admin/nodes/*/projects*", async (route) => {
    const response = await route.fetch();
    const projects = (await response.json()) as NodeProject[];
    for (const { move } of projects) {
      if (move !== null) Object.assign(move, { state: "cleaning", finished_at: null });
    }
    await route.fulfill({ response, json: projects });
  });
  await page.reload();
  await row("Site").getByText("Cleaning up", { exact: true }).waitFor();
  expect(await button("Cancel move of Site").getAttribute("aria-disabled")).toBe("true");
  await page.unroute("**/api/v1/admin/nodes/*/projects*");
  await queryAsOwner(
    one,
    `update project_moves set state = 'failed', finished_at = now(),
      error = 'The server idle has 2 GiB free, and the project needs 3 GiB and 1 GiB more'
      where to_node = $1`,
    [idle],
  );
  await row("Site").getByText("Failed", { exact: true }).waitFor();
  await row("Site").getByText("the project needs 3 GiB").waitFor();
  await button("Move Site").waitFor();
});

test("a draining server gives all projects away, except those that cannot move now", async () => {
  const docs = await makeProjectOn(one, "Docs");
  const busy = await makeProjectOn(one, "Busy");
  const agent = await makeAgent(root, busy.id);
  const api = cluster.at(root, one).api;
  await api.runs.create({ params: { agent_id: agent.id }, body: { external: true } });
  // No one sends heartbeats, and the pictures take longer than a lease.
  await queryAsOwner(
    one,
    "update runs set lease_expires_at = now() + interval '1 hour' where agent_id = $1",
    [agent.id],
  );
  await makeProjectOn(one, "On its way");
  await goToServer("node-1");
  await button("Move On its way").click();
  await dialog().getByRole("radio", { name: "idle" }).check();
  await dialog().getByRole("button", { name: "Move project" }).click();
  await button("Cancel move of On its way").waitFor();
  expect(await button("Move Busy").getAttribute("title")).toContain("1 run is in progress");
  expect(await button("Move all…").getAttribute("title")).toContain("Drain the server first");
  await button("Drain node-1").click();
  await dialog().getByText("can be moved to another server on its page").waitFor();
  await dialog().getByRole("button", { name: "Drain server" }).click();
  await page.getByText("Draining", { exact: true }).waitFor();
  await lookWell("server-draining");

  await button("Move all…").click();
  await dialog().getByRole("radio", { name: "node-2" }).check();
  await lookWell("server-move-all");
  await dialog().getByRole("button", { name: "Start moves" }).click();
  await dialog().getByText("2 moves started.").waitFor();
  await dialog().getByText("1 project has runs in progress: Busy").waitFor();
  await dialog().getByText("1 project is already moving: On its way").waitFor();
  await lookWell("server-move-all-done");
  await dialog().getByRole("button", { name: "Done" }).click();
  await row("Docs").waitFor({ state: "detached", timeout: 60_000 });
  await row("Site").waitFor({ state: "detached", timeout: 60_000 });
  expect(await homeOf(one, docs)).toBe("node-2");
  expect(await homeOf(one, busy)).toBe("node-1");
});

test("moves of all projects are stopped, and end at an error", async () => {
  // The browser asks node-1, which answers 409 for projects that cannot move.
  expect(messages.splice(0).every((message) => message.includes("409"))).toBe(true);
  await goToServer("node-2");
  await button("Drain node-2").click();
  // The server idle takes new projects.
  await dialog().getByRole("button", { name: "Drain server" }).click();
  await page.getByText("Draining", { exact: true }).waitFor();
  let answer: () => void = () => {};
  const held = new Promise<void>((resolve) => (answer = resolve));
  await page.route("**/move", async (route) => {
    await held;
    await route.fulfill({
      status: 409,
      contentType: "application/problem+json",
      body: JSON.stringify({
        type: "about:blank",
        title: "Conflict",
        status: 409,
        detail: "The server idle is not available; start it, and try again.",
        code: "node_unavailable",
        request_id: "",
      }),
    });
  });
  const params = { node_id: (cluster.nodes[1] as TestApp).db.node.id };
  const { length: total } = (await root.api.nodes.projects({ params, query: {} })).data;
  await button("Move all…").click();
  await dialog().getByRole("button", { name: "Start moves" }).click();
  await dialog().getByText(`Starting moves: 0 of ${total} projects`).waitFor();
  await lookWell("server-move-all-running");
  answer();
  await dialog().getByText("The server idle is not available").waitFor();
  await dialog().getByText(`${total} projects were not tried.`).waitFor();
  await dialog().getByRole("button", { name: "Done" }).click();

  await page.unroute("**/move");
  const stopping = new Promise<void>((resolve) => (answer = resolve));
  await page.route("**/move", async (route) => {
    await stopping;
    await route.fulfill({ status: 202, json: {} });
  });
  await button("Move all…").click();
  await dialog().getByRole("button", { name: "Start moves" }).click();
  await dialog().getByText(`Starting moves: 0 of ${total} projects`).waitFor();
  await dialog().getByRole("button", { name: "Stop" }).click();
  answer();
  await dialog().getByText("1 move started.").waitFor();
  const left = `${total - 1} projects were not tried, because you stopped.`;
  await dialog().getByText(left).waitFor();
  await dialog().getByRole("button", { name: "Done" }).click();
  await page.unroute("**/move");
  messages.splice(0);
});

test("without another active server, nothing can be moved", async () => {
  await queryAsOwner(one, "update nodes set lease_until = now() where name = 'idle'");
  await goToServer("node-2");
  await expect
    .poll(() => button("Move Shop").getAttribute("title"))
    .toContain("No other server is available");
  await page.goto(`${one.url}/admin/servers/${root.id}`);
  await page.getByText("The server was not found").waitFor();
  expect(messages.every((message) => message.includes("404"))).toBe(true);
});

test("other users do not see the page", async () => {
  const theirs = await signedInPage(browser, one, await one.person("bob"));
  await theirs.goto(`${one.url}/admin/servers/${one.db.node.id}`);
  await theirs.getByText("was not found").waitFor();
});
