import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Run } from "#shared/api/execution/runs.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { waitForRun } from "#test/support/fixtures/runs.js";
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

async function run(agentId: string, command: string[]): Promise<Run> {
  const params = { agent_id: agentId };
  return (await owner.api.runs.create({ params, body: { command } })).data;
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
