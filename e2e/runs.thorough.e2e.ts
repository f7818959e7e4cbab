// Thorough: restricted networks, a long log, queues, and a second application without a sandbox.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Run } from "#shared/api/execution/runs.js";
import { openSandbox } from "#sandbox/open-sandbox.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { startFakeEngine } from "#test/support/sandbox/fake-docker-engine.js";
import { waitForRunEnd } from "#test/support/fixtures/runs.js";
import {
  makeAgent,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { expectAccessible } from "./support/accessible.js";
import { launchBrowser, look, signedInPage, watchConsole } from "./support/browser.js";

/** Commands in a real sandbox, started, watched and stopped on the pages. */
let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;
let orgId: string;
let projectId: string;
let agent: Agent;
let messages: string[];

beforeAll(async () => {
  app = await startTestApp({ OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
  owner = await app.person("Ada");
  orgId = (await makeOrganization(owner)).id;
  projectId = (await makeProject(owner, orgId)).id;
  agent = (await makeWorkspace(owner, projectId)).agent;
  const { id } = await run(agent.id, ["sleep", "1000"]);
  await owner.api.runs.stop({ params: { run_id: id } });
  await waitForRunEnd(owner, id);
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

async function run(agentId: string, command: string[], queue = false): Promise<Run> {
  const params = { agent_id: agentId };
  return (await owner.api.runs.create({ params, body: { command, queue } })).data;
}

test("the command palette asks before it stops a run", async () => {
  const { agent: busy } = await makeWorkspace(owner, projectId);
  const { id } = await run(busy.id, ["sleep", "1000"]);
  await page.goto(`${app.url}/agents`);
  const choose = async (): Promise<void> => {
    await page.getByRole("heading", { name: "Agents", level: 1 }).waitFor();
    await page.keyboard.press("ControlOrMeta+k");
    await page.getByRole("combobox", { name: "Search and commands" }).fill(`stop ${busy.name}`);
    await page.getByRole("option", { name: `Stop ${busy.name}`, exact: true }).waitFor();
    await page.keyboard.press("Enter");
    await page.getByRole("dialog", { name: `Stop the run of ${busy.name}?` }).waitFor();
  };
  await choose();
  await look(page, "palette-stop");
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  expect((await owner.api.runs.get({ params: { run_id: id } })).data.status).toBe("running");
  await choose();
  await page.getByRole("dialog").getByRole("button", { name: "Stop run" }).click();
  await page.getByText("The run is being stopped").waitFor();
  expect((await waitForRunEnd(owner, id)).status).toBe("stopped");
});

test("a run with a restricted network names its hosts and lists its connections", async () => {
  const { agent: other } = await makeWorkspace(owner, projectId);
  await page.goto(`${app.url}/agents/${other.id}`);
  await page.getByRole("button", { name: "Start agent" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Shell script", { exact: true }).click();
  await dialog.getByRole("textbox", { name: "Shell script" }).fill(
    `node -e 'const { request } = require("http"), proxy = new URL(process.env.HTTP_PROXY);
       request({ host: proxy.hostname, port: proxy.port, path: "http://evil.example/data" }, (got) => got.pipe(process.stdout)).end()'`,
  );
  await dialog.getByRole("radio", { name: "Restricted" }).check();
  const hosts = dialog.getByRole("textbox", { name: "Allowed hosts" });
  await hosts.fill("https://registry.npmjs.org/");
  await dialog.getByRole("button", { name: "Run", exact: true }).click();
  await dialog.getByText("must be a host name without a scheme").waitFor();
  await hosts.fill("registry.npmjs.org\n*.example.org:8443");
  await look(page, "run-restricted-dialog");
  await expectAccessible(page, "run with a restricted network");
  await dialog.getByRole("button", { name: "Run", exact: true }).click();
  await page.waitForURL(/\/runs\//);
  await page.getByText("Restricted to registry.npmjs.org, *.example.org:8443").waitFor();
  const connections = page.getByRole("table", { name: "Connections" });
  await connections.getByText("evil.example:80").first().waitFor();
  await connections.getByText("Denied: evil.example:80 is not on the allow-list").waitFor();
  await page.getByRole("heading", { name: "Connections: 0 allowed, 1 denied" }).waitFor();
  await look(page, "run-restricted-page");
  await expectAccessible(page, "run page with connections");
});

test("a failed command is marked in the list of runs", async () => {
  await page.goto(`${app.url}/agents/${agent.id}`);
  await page.getByRole("button", { name: "Start agent" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Command" }).fill("sh -c 'exit 3'");
  await dialog.getByTestId("parsed").getByText('["sh","-c","exit 3"]').waitFor();
  await dialog.getByRole("button", { name: "Run", exact: true }).click();
  await page.getByText("Its command exited with code 3.").waitFor();
  await page.goto(`${app.url}/agents/${agent.id}/runs`);
  await page.getByRole("table", { name: "Runs" }).getByText("Failed, exit code 3").waitFor();
  const outcome = page.getByRole("link", { name: "Failed, exit code 3" });
  await outcome.waitFor();
  await look(page, "agent-page");
  await page.goto(`${app.url}/agents`);
  await outcome.waitFor();
  await look(page, "agents-last-run");
  await outcome.click();
  await page.getByText("Its command exited with code 3.").waitFor();
  expect(messages).toEqual([]);
});

test("the list of agents shows running and queued work live, sorted and filtered", async () => {
  const others = [];
  for (let number = 0; number < 5; number += 1) others.push(await makeWorkspace(owner, projectId));
  const [first, second] = others as [(typeof others)[0], (typeof others)[0]];
  await owner.api.organizations.update({
    params: { org_id: orgId },
    body: { max_concurrent_agents: 1 },
  });
  const listening = page.waitForResponse((response) => response.url().includes("/events?"));
  await page.goto(`${app.url}/agents`);
  await listening;
  const table = page.getByRole("table", { name: "Agents" });
  const rowOf = ({ agent: { name } }: typeof first) =>
    table.getByRole("row").filter({ has: page.getByRole("link", { name, exact: true }) });
  await rowOf(first).getByText("Idle").waitFor();
  // Runs started by others appear automatically, and so does the queue.
  const running = await run(first.agent.id, ["sleep", "1000"]);
  await rowOf(first).getByRole("link", { name: "sleep 1000" }).waitFor();
  await rowOf(first).getByText("Running").waitFor();
  await page.getByText("1/1 agents").waitFor();
  const waiting = await run(second.agent.id, ["echo", "at last"], true);
  await rowOf(second).getByText("Queued, place 1").waitFor();
  const third = await run(agent.id, ["echo", "later"], true);
  await table.getByText("Queued, place 2").waitFor();
  await look(page, "agents-running");
  // The duration is updated every second.
  const age = rowOf(first).getByText(/ s, since/);
  const before = await age.textContent();
  await expect.poll(() => age.textContent()).not.toBe(before);

  await page.getByRole("button", { name: "Run", exact: true }).click();
  await page.waitForURL(/sort=run/);
  const names = () => table.getByRole("row").allTextContents();
  await expect.poll(async () => (await names())[1]).toContain(first.agent.name);
  await expect.poll(async () => (await names())[2]).toContain("place 1");
  await page.getByLabel("Filter by status").selectOption("queued");
  await page.waitForURL(/status=queued/);
  await expect.poll(async () => (await names()).length).toBe(3);
  await page.reload();
  await table.getByText("Queued, place 2").waitFor();
  expect(await names()).toHaveLength(3);

  // Stop it on its page, which shows its queue position.
  await table.getByRole("link", { name: "echo 'at last'" }).click();
  await page.getByText("Queued, place 1").waitFor();
  await page.getByText("Waiting for one of the organization's 1 slots.").waitFor();
  // The log is open, but not live yet.
  await page
    .getByRole("status")
    .filter({ hasText: /^Queued$/ })
    .waitFor();
  await page.getByRole("button", { name: "Cancel queued run" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel queued run" }).click();
  await page.getByText("Stopped by Ada while queued.").waitFor();
  expect((await waitForRunEnd(owner, waiting.id)).started_at).toBeNull();
  await page.goto(`${app.url}/agents?status=queued`);
  await table.getByText("Queued, place 1").waitFor();
  await owner.api.runs.stop({ params: { run_id: running.id } });
  await waitForRunEnd(owner, third.id);
  await page.getByText("No agent is queued.").waitFor();
  await page.getByRole("button", { name: "Show all agents" }).click();
  await rowOf(first).waitFor();
  await owner.api.organizations.update({
    params: { org_id: orgId },
    body: { max_concurrent_agents: 5 },
  });
});

test("an agent's runs are filtered, sorted and shown on a timeline", async () => {
  await page.goto(`${app.url}/agents/${agent.id}/runs`);
  const table = page.getByRole("table", { name: "Runs" });
  await page.getByLabel("Filter by status").selectOption("failed");
  await page.waitForURL(/run=failed/);
  await expect.poll(() => table.getByRole("row").count()).toBe(2);
  await page.getByLabel("Filter by status").selectOption("");
  await table.getByText("Stopped").waitFor();
  await page.getByRole("button", { name: "Started", exact: true }).click();
  await page.waitForURL(/sort=started/);
  await expect
    .poll(async () => (await table.getByRole("row").allTextContents())[1])
    .toContain("Stopped");
  await page.getByLabel("Filter by status").selectOption("lost");
  await page.getByText("No run of this agent is in this list.").waitFor();
  await page.getByRole("button", { name: "Show all runs" }).click();
  await table.getByText("Stopped").waitFor();
  await page.getByRole("group", { name: "Timeline" }).getByRole("listitem").first().waitFor();
});

test("a log of 100 000 lines stays usable, and its last line is found", async () => {
  const { id } = await run(agent.id, ["sh", "-c", "seq 1 100000; echo the very last"]);
  expect((await waitForRunEnd(owner, id)).status).toBe("succeeded");
  await page.goto(`${app.url}/agents/${agent.id}/runs/${id}`);
  await page.getByText("Complete", { exact: true }).waitFor();
  const output = page.getByRole("region", { name: "Output" });
  await output.getByText("1", { exact: true }).first().waitFor();
  // Only visible lines are rendered.
  expect(await output.locator("[data-index]").count()).toBeLessThan(200);
  await page.getByLabel("Search the log").fill("the very last");
  await page.getByText("1 of 1 line").waitFor();
  await page.getByLabel("Search the log").press("Enter");
  await output.locator("mark", { hasText: "the very last" }).waitFor();
  await output.getByText("100001", { exact: true }).waitFor();
  await page.getByLabel("Search the log").fill("99999");
  await page.getByText("1 of 1 line").waitFor();
  await output.focus();
  await page.keyboard.press("Home");
  await output.locator("[data-index='0']").waitFor();
  await page.keyboard.press("End");
  await output.locator("[data-index='100000']").waitFor();
  expect(await output.locator("[data-index]").count()).toBeLessThan(200);
  expect(messages).toEqual([]);
});

test("with an engine docker workspaces are enabled; a disabled sandbox is stated before a command runs", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "omoi-sandbox-"));
  const engine = await startFakeEngine(join(dataDir, "docker.sock"));
  const settings = {
    dataDir,
    sandbox: "off",
    agentUid: 60_861,
    networkUid: 60_860,
    sandboxReadOnly: [],
  } as const;
  const sandbox = await openSandbox(settings, false);
  const env = { OMOI_SANDBOX: "off", OMOI_DOCKER_SOCKET: engine.socket };
  const there = await startTestApp(env, sandbox);
  const person = await there.person("Otto");
  const project = await makeProject(person, (await makeOrganization(person)).id);
  const docker = await makeAgent(person, project.id);
  const local = (await makeWorkspace(person, project.id)).agent;
  page = await signedInPage(browser, there, person);
  await page.goto(`${there.url}/agents`);
  await page.getByRole("button", { name: "Create workspace" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("radio", { name: /^Docker/ }).check();
  await dialog.getByRole("button", { name: "Create workspace" }).click();
  await page.getByText(`workspace-${docker.name}`).waitFor();
  await page.goto(`${there.url}/agents/${docker.id}?new=true`);
  await dialog.getByText("in a container").waitFor();
  expect(await dialog.getByText("There is no sandbox").count()).toBe(0);
  // The image may have the program of each preset.
  await dialog.getByLabel("Program").selectOption("custom");
  await dialog.getByRole("textbox", { name: "Command", exact: true }).fill("true");
  await dialog.getByRole("button", { name: "Run", exact: true }).click();
  await page.getByText("Its command exited normally.").waitFor();

  await page.goto(`${there.url}/agents/${local.id}?new=true`);
  await dialog.getByText("without a sandbox", { exact: false }).first().waitFor();
  await dialog.getByText("There is no sandbox (OMOI_SANDBOX is off)").waitFor();
  await dialog.getByText("The limits of memory and processes cannot be enforced here").waitFor();
  expect(await dialog.getByText("No access outside the sandbox.").count()).toBe(0);
  await look(page, "run-command-off");
  await dialog.getByRole("textbox", { name: "Command", exact: true }).fill("true");
  await dialog.getByRole("button", { name: "Run", exact: true }).click();
  await page.getByText("Its command exited normally.").waitFor();
  await page.getByText("Full", { exact: true }).waitFor();
  await page.context().close();
  await there.close();
  await sandbox.close();
  await engine.close();
  await rm(dataDir, { recursive: true });
});
