import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Run } from "#shared/api/execution/runs.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { openSandbox } from "#sandbox/open-sandbox.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { startFakeEngine } from "#test/support/sandbox/fake-docker-engine.js";
import { waitForRunEnd, waitForRun } from "#test/support/fixtures/runs.js";
import {
  folderOf,
  makeAgent,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { expectAccessible } from "./support/accessible.js";
import { launchBrowser, look, signedInPage, screenshot, watchConsole } from "./support/browser.js";

/** Commands in a real sandbox, started, watched and stopped on the pages. */
let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;
let orgId: string;
let projectId: string;
let agent: Agent;
let folder: string;
let messages: string[];

beforeAll(async () => {
  app = await startTestApp({ OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
  owner = await app.person("Ada");
  orgId = (await makeOrganization(owner)).id;
  projectId = (await makeProject(owner, orgId)).id;
  const made = await makeWorkspace(owner, projectId);
  agent = made.agent;
  folder = folderOf(made.workspace);
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

test("a script is started, its log followed and searched, and it is stopped", async () => {
  await page.goto(`${app.url}/agents/${agent.id}`);
  await page.getByRole("button", { name: "Start agent" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Command" }).fill("echo 'a b' | wc");
  await dialog.getByText("needs a shell").waitFor();
  await dialog.getByText("Shell script", { exact: true }).click();
  await dialog
    .getByRole("textbox", { name: "Shell script" })
    .fill(
      String.raw`printf '\033[31mred line\033[0m\n\033]0;title\007plain\n'; echo oops >&2; seq 1 5000; until test -e go; do sleep 0.1; done; echo after; sleep 1000`,
    );
  await screenshot(page, "run-command");
  await expectAccessible(page, "run command");
  await dialog.getByRole("button", { name: "Run", exact: true }).click();
  await page.waitForURL(/\/runs\//);
  const output = page.getByRole("region", { name: "Output" });
  await output.getByText("5000", { exact: true }).last().waitFor();
  await writeFile(join(folder, "go"), "");
  await output.getByText("after", { exact: true }).waitFor();
  await page.getByLabel("Search the log").fill("red line");
  await page.getByText("1 of 1 line").waitFor();
  await page.getByLabel("Search the log").press("Enter");
  await output.locator("mark", { hasText: "red line" }).waitFor();
  await page.getByLabel("Search the log").fill("oops");
  await page.getByLabel("Search the log").press("Enter");
  await output.locator("mark", { hasText: "oops" }).waitFor();
  await look(page, "run-page");
  await page.getByRole("button", { name: "Stop run" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Stop run" }).click();
  await page.getByText("Stopped by Ada.").waitFor();
  await page.getByText("Complete", { exact: true }).waitFor();
  expect(await page.getByRole("button", { name: "Follow" }).count()).toBe(0);
});

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

test("a duplicate or invalid variable name is reported at its field", async () => {
  await page.goto(`${app.url}/agents/${agent.id}?new=true`);
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Command", exact: true }).fill("env");
  for (const [at, name] of [
    [1, "TOKEN"],
    [2, "TOKEN"],
    [3, "A-B"],
  ] as const) {
    await dialog.getByRole("button", { name: "Add variable" }).click();
    await dialog.getByLabel(`Name of variable ${at}`).fill(name);
    await dialog.getByLabel(`Value of variable ${at}`).fill(`value ${at}`);
  }
  const named = (at: number) => dialog.getByLabel(`Name of variable ${at}`);
  const toldAt = (at: number) =>
    named(at).evaluate((field) => {
      const id = field.getAttribute("aria-describedby");
      return id === null ? null : (document.getElementById(id)?.textContent ?? null);
    });
  expect(await toldAt(1)).toBeNull();
  expect(await toldAt(2)).toBe("TOKEN is given above already.");
  expect(await toldAt(3)).toBe("It must be a name of A-Z, a-z, 0-9 and _.");
  await screenshot(page, "run-command-env");
  await expectAccessible(page, "run command with wrong names");
  const start = dialog.getByRole("button", { name: "Run", exact: true });
  expect(await start.getAttribute("aria-disabled")).toBe("true");
  await named(2).fill("OTHER");
  await dialog.getByRole("button", { name: "Remove variable 3" }).click();
  await start.click();
  await page.waitForURL(/\/runs\//);
  await page.getByText("OTHER, TOKEN", { exact: true }).waitFor();
  await page.getByText("Complete", { exact: true }).waitFor();
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

test("a viewer sees everything, and why runs cannot be started or stopped", async () => {
  const viewer = await app.person("Vera");
  const body = { user_id: viewer.id, role_id: systemRoleIds.viewer };
  await owner.api.members.add({ params: { org_id: orgId }, body });
  const bare = await makeAgent(owner, projectId);
  const { id } = await run(agent.id, ["sleep", "1000"]);
  await waitForRun(owner, id, ({ status }) => status === "running");
  const theirs = await signedInPage(browser, app, viewer);
  const isOff = async (name: string, permission: string): Promise<void> => {
    const button = theirs.getByRole("button", { name, exact: true }).first();
    await button.waitFor();
    await expect.poll(() => button.getAttribute("aria-disabled")).toBe("true");
    await expect.poll(() => button.getAttribute("title")).toContain(permission);
    await button.click({ force: true });
    expect(await theirs.getByRole("dialog").count()).toBe(0);
  };
  await theirs.goto(`${app.url}/agents`);
  await theirs.getByRole("link", { name: "sleep 1000" }).waitFor();
  await isOff("New agent", "agent:write");
  await theirs.getByText(bare.name, { exact: true }).waitFor();
  await isOff("Create workspace", "agent:workspace:write");
  await theirs.goto(`${app.url}/agents/${agent.id}`);
  await isOff("Start agent", "agent:run");
  await isOff("Stop run", "agent:run");
  await theirs.getByText(/Your role \(viewer\) may not .*agent:run/).waitFor();
  await theirs.goto(`${app.url}/agents/${agent.id}?new=true`);
  await isOff("Start agent", "agent:run");
  await theirs.goto(`${app.url}/agents/${agent.id}/runs/${id}`);
  await isOff("Stop run", "agent:run");
  await expectAccessible(theirs, "a run that a viewer sees");
  await theirs.context().close();
  await owner.api.runs.stop({ params: { run_id: id } });
});

/** A test suite that runs until a file `go` exists. */
const suite = String.raw`
printf '\033[1m> app@2.4.0 test\033[0m\n\n'
for name in checkout refunds invoices taxes; do
  printf '\033[32m PASS \033[0m src/billing/%s.test.ts\n' "$name"
  for number in 1 2 3; do printf '   \033[32mok\033[0m %s, case %d\n' "$name" "$number"; done
done
echo 'warning: STRIPE_KEY is not set; the sandbox account is used' >&2
printf '\033[31m FAIL \033[0m src/billing/coupons.test.ts\n'
printf '   \033[31mx\033[0m expired coupons are refused\n     expected \033[32m410\033[0m, got \033[31m200\033[0m\n'
until test -e go; do sleep 0.1; done
printf '\n\033[31m1 failed\033[0m, \033[32m12 passed\033[0m\n'; exit 1
`;

test("the log of a test suite is followed until it fails", async () => {
  const ada = await app.person("Ada");
  const { data: acme } = await ada.api.organizations.create({ body: { name: "Acme Corp" } });
  const { data: project } = await ada.api.projects.create({
    body: { organization_id: acme.id, name: "App" },
  });
  const { data: worker } = await ada.api.agents.create({
    body: { project_id: project.id, name: "worker-1" },
  });
  const params = { agent_id: worker.id };
  const { data: workspace } = await ada.api.workspaces.create({ params });
  await writeFile(join(folderOf(workspace), "test.sh"), suite);
  const { data: started } = await ada.api.runs.create({
    params,
    body: { command: ["sh", "test.sh"], env: { CI: "true" } },
  });
  const watching = await signedInPage(browser, app, ada);
  await watching.goto(app.url);
  await watching.getByRole("button", { name: "Hide this reminder" }).click();
  await watching.goto(`${app.url}/agents/${worker.id}/runs/${started.id}`);
  const output = watching.getByRole("region", { name: "Output" });
  await output.getByText("expected 410, got 200").waitFor();
  await watching.getByText("Live", { exact: true }).waitFor();
  await watching.setViewportSize({ width: 1440, height: 1180 });
  await screenshot(watching, "run-log");
  await writeFile(join(folderOf(workspace), "go"), "");
  await output.getByText("1 failed, 12 passed").waitFor();
  await watching.getByText("Its command exited with code 1.").waitFor();
  await watching.getByText("Complete", { exact: true }).waitFor();
  await watching.context().close();
});

test("without a container engine docker workspaces are disabled with a reason", async () => {
  await page.goto(`${app.url}/agents`);
  await page.getByRole("button", { name: "Create workspace" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Not here: No Docker engine answers at").waitFor();
  expect(await dialog.getByRole("radio", { name: /^Docker/ }).isDisabled()).toBe(true);
  await look(page, "create-workspace");
});

test("with an engine they are enabled; a disabled sandbox is stated before a command runs", async () => {
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
