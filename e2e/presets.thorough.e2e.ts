import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { waitForRunEnd } from "#test/support/fixtures/runs.js";
import { expectAccessible } from "./support/accessible.js";
import { launchBrowser, look, signedInPage, watchConsole } from "./support/browser.js";

/** Agents' programs, started by a prompt on the pages. */
let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;
let agent: Agent;
let tools: string;
let messages: string[];
let setKey: () => Promise<void>;

/** Answers with its prompt, and fails without the key. */
const fakeClaude = `#!/bin/sh
[ "$1" != --version ] || { echo "1.2.3 (Claude Code)"; exit; }
for prompt; do :; done
echo "$prompt" > answer.md
printf '{"type":"result","result":"Done: %s <b>bold</b>"}\\n' "$prompt"
`;

beforeAll(async () => {
  tools = await mkdtemp(join(tmpdir(), "omoi-tools-"));
  await chmod(tools, 0o755);
  app = await startTestApp({ OMOI_SANDBOX_READONLY: tools }, "real");
  owner = await app.person("Ada");
  const org = await makeOrganization(owner);
  const project = await makeProject(owner, org.id);
  agent = (await makeWorkspace(owner, project.id)).agent;
  setKey = async () => {
    const name = "ANTHROPIC_API_KEY";
    const body = { kind: "variable" as const, value: "a key of the provider" };
    await owner.api.organizationSecrets.set({ params: { org_id: org.id, name }, body });
  };
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
  await rm(tools, { recursive: true });
});

const dialog = () => page.getByRole("dialog");
const button = (name: string) => page.getByRole("button", { name, exact: true });
const run = () => dialog().getByRole("button", { name: "Run", exact: true });

test("a missing program is shown with how to install it, and a demo works without one", async () => {
  await page.goto(`${app.url}/agents/${agent.id}`);
  await button("Start agent").click();
  const program = dialog().getByRole("combobox", { name: "Program" });
  expect(await program.inputValue()).toBe("custom");
  await program.selectOption("claude-code");
  await dialog().getByText("The program claude is not on the PATH of runs.").waitFor();
  await dialog().getByText("npm install --global @anthropic-ai/claude-code").waitFor();
  await look(page, "start-agent-missing");
  await expectAccessible(page, "start agent, program missing");
  await program.selectOption("custom");
  await button("Insert a demo script").click();
  await run().click();
  await page.waitForURL(/\/runs\//);
  await page.getByText("Its command exited normally.").waitFor();
  await page.getByRole("region", { name: "Output" }).getByText("Wrote hello.md.").waitFor();
});

test("a start without a key is refused, and names the secret", async () => {
  await writeFile(join(tools, "claude"), fakeClaude, { mode: 0o755 });
  await page.goto(`${app.url}/agents/${agent.id}`);
  await button("Start agent").click();
  const notice = dialog().getByText("Add the secret ANTHROPIC_API_KEY to the project");
  await notice.waitFor();
  await dialog().getByRole("textbox", { name: "Prompt" }).fill("Write it");
  await run().click();
  const refusal = "Claude Code needs a key of its model provider: set the secret ANTHROPIC_API_KEY";
  await dialog().getByRole("alert").getByText(refusal).waitFor();
  await look(page, "start-agent-without-key");
  await expectAccessible(page, "start agent without a key");
  expect(messages.splice(0)).toEqual([expect.stringContaining("409")]);
  await setKey();
  await run().click();
  await page.waitForURL(/\/runs\//);
  await page.getByRole("region", { name: "Result" }).getByText("Done: Write it").waitFor();
});

test("a task is set and is the prompt of a run, whose result is shown as text", async () => {
  await writeFile(join(tools, "claude"), fakeClaude, { mode: 0o755 });
  await page.goto(`${app.url}/agents/${agent.id}/settings`);
  await button("Set task").click();
  await dialog().getByRole("textbox", { name: /^Task/ }).fill("Fix the login");
  await dialog().getByRole("button", { name: "Save task" }).click();
  await dialog().getByText("Add instructions, or clear the task").waitFor();
  await dialog()
    .getByLabel(/^Instructions/)
    .fill("Fix the failing tests.");
  await look(page, "edit-task");
  await expectAccessible(page, "edit task");
  await dialog().getByRole("button", { name: "Save task" }).click();
  await dialog().waitFor({ state: "hidden" });
  await page.getByText("Fix the login", { exact: true }).first().waitFor();

  await page.goto(`${app.url}/agents/${agent.id}/workspace`);
  const task = page.getByRole("group").filter({ hasText: "Task:Fix the login" });
  const instructions = task.getByText("Fix the failing tests.");
  await task.waitFor();
  expect(await instructions.isVisible()).toBe(false);
  await task.getByText("Task:").click();
  await instructions.waitFor();
  await look(page, "workspace-with-task");
  await expectAccessible(page, "workspace with a task");

  await page.goto(`${app.url}/agents/${agent.id}`);
  await button("Start agent").click();
  const prompt = dialog().getByRole("textbox", { name: "Prompt" });
  await prompt.waitFor();
  expect(await prompt.inputValue()).toBe("Fix the failing tests.");
  expect(await dialog().getByRole("combobox", { name: "Program" }).inputValue()).toBe(
    "claude-code",
  );
  const hosts = dialog().getByRole("textbox", { name: "Allowed hosts" });
  expect(await hosts.inputValue()).toBe("api.anthropic.com");
  await dialog()
    .getByLabel(/^Model/)
    .fill("-x");
  await run().click();
  await dialog().getByText("with a letter or digit first").waitFor();
  await dialog()
    .getByLabel(/^Model/)
    .fill("sonnet");
  await look(page, "start-agent");
  await expectAccessible(page, "start agent");
  await run().click();
  await page.waitForURL(/\/runs\//);
  const result = page.getByRole("region", { name: "Result" });
  await result.getByText("Done: Fix the failing tests. <b>bold</b>").waitFor();
  await page.getByRole("region", { name: "Prompt" }).getByText("Fix the failing tests.").waitFor();
  await look(page, "run-of-preset");
  await expectAccessible(page, "run of a preset");
});

test("a run is repeated, and changed before it is repeated", async () => {
  const address = page.url();
  await button("Run again").click();
  await page.waitForURL((url) => url.href !== address && /\/runs\//.test(url.href));
  await page.getByRole("region", { name: "Result" }).waitFor();
  await button("Edit and run").click();
  const prompt = dialog().getByRole("textbox", { name: "Prompt" });
  await prompt.fill("Another prompt");
  expect(
    await dialog()
      .getByLabel(/^Model/)
      .inputValue(),
  ).toBe("sonnet");
  await look(page, "edit-and-run");
  // A model belongs to its program.
  const program = dialog().getByRole("combobox", { name: "Program" });
  await program.selectOption("codex");
  await program.selectOption("claude-code");
  expect(
    await dialog()
      .getByLabel(/^Model/)
      .inputValue(),
  ).toBe("");
  const second = page.url();
  await run().click();
  await page.waitForURL((url) => url.href !== second && /\/runs\//.test(url.href));
  await page.getByText("Done: Another prompt").first().waitFor();
  await page.goto(`${app.url}/agents/${agent.id}/runs`);
  const runs = page.getByRole("table", { name: "Runs" });
  await runs.getByRole("link", { name: "Claude Code: Another prompt" }).waitFor();
  await look(page, "agent-with-runs");
  await runs.getByRole("button", { name: "Run again" }).first().click();
  await page.waitForURL(/\/runs\//);
  await page.getByText("Done: Another prompt").first().waitFor();
  // An agent has one run at a time, and the words come before its end.
  await waitForRunEnd(owner, page.url().split("/").at(-1) as string);
});

test("values of variables are asked for again, and a missing program is explained", async () => {
  const params = { agent_id: agent.id };
  const command = ["sh", "-c", 'test "$KEY" = new && codex exec'];
  const body = { command, env: { KEY: "old" } };
  const { data } = await owner.api.runs.create({ params, body });
  await waitForRunEnd(owner, data.id);
  await page.goto(`${app.url}/agents/${agent.id}/runs/${data.id}`);
  await button("Run again").click();
  await dialog().getByText("Values of variables are not stored.").waitFor();
  expect(await dialog().getByLabel("Name of variable 1").inputValue()).toBe("KEY");
  expect(await dialog().getByLabel("Value of variable 1").inputValue()).toBe("");
  expect(await dialog().getByLabel("Shell script", { exact: true }).last().inputValue()).toBe(
    command[2],
  );
  const missing = "Enter the value of KEY again, or remove it";
  expect(await run().getAttribute("aria-disabled")).toBe("true");
  expect(await run().getAttribute("title")).toBe(missing);
  await dialog().getByLabel("Value of variable 1").fill("new");
  await run().click();
  await page.waitForURL((url) => /\/runs\//.test(url.href) && !url.href.includes(data.id));
  await page.getByText("A program that it started was not found (exit code 127)").waitFor();
  await page.getByText("npm install --global @openai/codex").waitFor();
  await dialog().waitFor({ state: "hidden" });
  await look(page, "exit-code-127");
  expect(messages).toEqual([]);
});

test("the guide offers the program that works, and a demo script", async () => {
  const newcomer = await app.person("Ben");
  const { id } = await makeProject(newcomer, (await makeOrganization(newcomer)).id);
  await makeWorkspace(newcomer, id);
  const guide = await signedInPage(browser, app, newcomer);
  await guide.goto(`${app.url}/welcome`);
  await guide.getByRole("button", { name: "Start Claude Code" }).click();
  const prompt = guide.getByRole("dialog").getByRole("textbox", { name: "Prompt" });
  expect(await prompt.inputValue()).toContain("hello.md");
  await guide.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await look(guide, "guide-first-run");
  await guide.getByRole("button", { name: "Run the demo script" }).click();
  await guide.getByRole("heading", { name: "Make a first commit (done)" }).waitFor();
});

test("with a key among the secrets one click starts the program, and its change is merged", async () => {
  const newcomer = await app.person("Cleo");
  const org = await makeOrganization(newcomer);
  await makeWorkspace(newcomer, (await makeProject(newcomer, org.id)).id);
  const name = "ANTHROPIC_API_KEY";
  const body = { kind: "variable" as const, value: "a key of the provider" };
  await newcomer.api.organizationSecrets.set({ params: { org_id: org.id, name }, body });
  const guide = await signedInPage(browser, app, newcomer);
  await guide.goto(`${app.url}/welcome`);
  await guide.getByText("with the key among the secrets").waitFor();
  await look(guide, "guide-with-key");
  await guide.getByRole("button", { name: "Start Claude Code" }).click();
  await guide.getByRole("button", { name: "Merge into main" }).click();
  await guide.getByRole("heading", { name: "Merge it (done)" }).waitFor();
  await guide.context().close();
});

test("the home of an agent is cleared after a confirmation", async () => {
  const params = { agent_id: agent.id };
  const body = { command: ["sh", "-c", "echo kept > ~/settings"] };
  const { data: first } = await owner.api.runs.create({ params, body });
  await waitForRunEnd(owner, first.id);
  await page.goto(`${app.url}/agents/${agent.id}/settings`);
  await button("Clear home").click();
  await dialog().getByText("This cannot be undone.").waitFor();
  await look(page, "clear-home");
  await dialog().getByRole("button", { name: "Clear home" }).click();
  await page.getByText(`The home of ${agent.name} is cleared`).waitFor();
  await dialog().waitFor({ state: "hidden" });
  const command = ["sh", "-c", "test ! -e ~/settings; sleep 600"];
  const { data: second } = await owner.api.runs.create({ params, body: { command } });
  await page.getByRole("button", { name: "Clear home", disabled: true }).waitFor();
  await owner.api.runs.stop({ params: { run_id: second.id } });
  expect((await waitForRunEnd(owner, second.id)).detail).not.toContain("code 1");
});
