import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Run } from "#shared/api/execution/runs.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { expectAccessible } from "./support/accessible.js";
import { launchBrowser, screenshot, signedInPage } from "./support/browser.js";

/** A lost connection: pages keep their data, show the state and recover automatically. */
let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;
let agent: Agent;
let projectName: string;
let line: Line;

beforeAll(async () => {
  app = await startTestApp({}, "real");
  owner = await app.person("Ada");
  const { id } = await makeOrganization(owner);
  const project = await makeProject(owner, id);
  projectName = project.name;
  agent = (await makeWorkspace(owner, project.id)).agent;
  line = await openLine(Number(new URL(app.url).port));
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser.close();
  await line.cut();
  await app.close();
});
beforeEach(async () => {
  page = await signedInPage(browser, app, owner);
});

interface Line {
  url: string;
  /** Ends every connection and rejects new ones. */
  cut: () => Promise<void>;
  mend: () => Promise<void>;
}

/** Opens a port that forwards to the server until it is cut. */
async function openLine(target: number): Promise<Line> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((client) => {
    const upstream = connect(target, "127.0.0.1");
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  const listen = (port: number): Promise<void> =>
    new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    cut: () =>
      new Promise((resolve) => {
        if (!server.listening) return resolve();
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
    mend: () => listen(port),
  };
}

const banner = () => page.getByText("Connection lost. Reconnecting…");
const documents = (): Promise<number> => page.evaluate("performance.timeOrigin");

test("a click while offline says so under the new address, and takes effect after the reconnect", async () => {
  await page.goto(`${app.url}/projects`);
  await page.getByRole("link", { name: projectName }).waitFor();
  const first = await documents();
  await page.context().setOffline(true);
  const navigation = page.getByRole("navigation", { name: "Main" });
  await navigation.getByRole("link", { name: "API Keys" }).click();
  await banner().waitFor();
  await page.getByRole("heading", { name: "No connection to the server" }).waitFor();
  expect(new URL(page.url()).pathname).toBe("/settings/api-keys");
  expect(await page.getByRole("link", { name: projectName }).isVisible()).toBe(false);
  // The page before is loaded.
  await page.getByRole("button", { name: "Go back" }).click();
  await page.getByRole("link", { name: projectName }).waitFor();
  expect(new URL(page.url()).pathname).toBe("/projects");
  await navigation.getByRole("link", { name: "API Keys" }).click();
  await page.getByRole("heading", { name: "No connection to the server" }).waitFor();
  for (const width of [1440, 390]) {
    await page.setViewportSize({ width, height: 844 });
    await expectAccessible(page, `offline, ${width}`);
    await screenshot(page, `offline-${width}`);
  }
  await page.context().setOffline(false);
  await page.getByRole("heading", { name: "API Key Management" }).waitFor();
  await banner().waitFor({ state: "detached" });
  // The document was never reloaded.
  expect(await documents()).toBe(first);
});

test("a dialog whose code has not loaded opens after the reconnect", async () => {
  await page.goto(`${app.url}/projects`);
  await page.getByRole("link", { name: projectName }).waitFor();
  await page.context().setOffline(true);
  await page.getByRole("button", { name: "New project" }).click();
  await banner().waitFor();
  await page.getByRole("heading", { name: "Projects", level: 1 }).waitFor();
  await page.context().setOffline(false);
  await page.getByRole("dialog", { name: "New project" }).waitFor();
});

test("a session goes on where it was after a lost connection, and a prompt is not lost", async () => {
  const params = { agent_id: (await makeWorkspace(owner, agent.project_id)).agent.id };
  const words = Array.from({ length: 400 }, (_, nth) => `word${nth}`);
  const { data: session } = await owner.api.agentSessions.create({
    params,
    body: { preset: "custom", command: acpAgent(), prompt: `say ${words.join(" ")}` },
  });
  await page.goto(`${line.url}/agents/${params.agent_id}/sessions/${session.id}`);
  const transcript = page.getByRole("region", { name: "Transcript" });
  await transcript
    .getByText(/word0 word1/)
    .last()
    .waitFor();
  await line.cut();
  await banner().waitFor();
  const field = page.getByRole("textbox", { name: "Prompt" });
  await field.fill("say never lost");
  await page.keyboard.press("Enter");
  // A prompt that could not be sent is in the field again, with the reason.
  await page.getByRole("alert").first().waitFor();
  await expect.poll(() => field.inputValue()).toBe("say never lost");
  await page.waitForTimeout(5000);
  await line.mend();
  await banner().waitFor({ state: "detached" });
  // Each word is there once: nothing was lost, and nothing came twice.
  const said = transcript.getByText(new RegExp(`^${words.join(" ")} *$`));
  await said.waitFor({ timeout: 60_000 });
  await field.press("Enter");
  await transcript.getByText(/^never lost/).waitFor();
  await owner.api.agentSessions.close({ params: { session_id: session.id } });
});

test("lists and an open log survive a restart of the server", async () => {
  const script = "echo before the restart; sleep 1000";
  const params = { agent_id: agent.id };
  const body = { command: ["sh", "-c", script] };
  const { data: run }: { data: Run } = await owner.api.runs.create({ params, body });
  await page.goto(`${line.url}/agents/${agent.id}/runs/${run.id}`);
  const output = page.getByRole("region", { name: "Output" });
  await output.getByText("before the restart").waitFor();
  const other = await page.context().newPage();
  await other.goto(`${line.url}/projects`);
  await other.getByRole("link", { name: projectName }).waitFor();

  await line.cut();
  await banner().waitFor();
  await other.getByText("Connection lost. Reconnecting…").waitFor();
  // Longer than a query's retries.
  await page.waitForTimeout(6000);
  expect(await output.getByText("before the restart").isVisible()).toBe(true);
  expect(await other.getByRole("link", { name: projectName }).isVisible()).toBe(true);
  await page.getByText("Reconnecting…", { exact: true }).waitFor();
  await screenshot(page, "log-reconnecting");

  await line.mend();
  await owner.api.workspaces.get({ params });
  await banner().waitFor({ state: "detached" });
  await other.getByText("Connection lost. Reconnecting…").waitFor({ state: "detached" });
  await page.getByText("Live", { exact: true }).waitFor();
  expect(await output.getByText("before the restart").count()).toBe(1);
  // Changes by others are shown again, too.
  const { data: organizations } = await owner.api.organizations.list();
  const project = await makeProject(owner, organizations[0]?.id as string);
  await other.getByRole("link", { name: project.name }).waitFor();
});
