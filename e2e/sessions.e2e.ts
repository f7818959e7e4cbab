import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { launchBrowser, look, screenshot, signedInPage, watchConsole } from "./support/browser.js";

/** Conversations with a scripted agent. */
let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;
let agent: Agent;
let messages: string[];

beforeAll(async () => {
  app = await startTestApp({}, "real");
  owner = await app.person("Ada");
  const project = await makeProject(owner, (await makeOrganization(owner)).id);
  agent = (await makeWorkspace(owner, project.id)).agent;
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const button = (name: string) => page.getByRole("button", { name, exact: true });
const transcript = () => page.getByRole("region", { name: "Transcript" });
const prompt = async (text: string): Promise<void> => {
  await page.getByRole("textbox", { name: "Prompt" }).fill(text);
  await page.keyboard.press("Enter");
};
/** A command line that the form reads as the words of the command. */
const line = (words: readonly string[]): string =>
  words.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(" ");

test("a session is started on the page, and its program's absence is explained", async () => {
  await page.goto(`${app.url}/agents/${agent.id}`);
  const program = page.getByRole("combobox", { name: "Program" });
  await program.selectOption("claude-code");
  await page.getByText("The program claude-agent-acp is not on the PATH of runs.").waitFor();
  await look(page, "session-start");
  await program.selectOption("custom");
  await page.getByRole("textbox", { name: /^Command/ }).fill(line(acpAgent()));
  await page.getByRole("textbox", { name: /^Prompt/ }).fill("tour of the project");
  await page.getByText("Network: none").click();
  await page.getByRole("radio", { name: "Restricted" }).check();
  await page.getByRole("textbox", { name: "Allowed hosts" }).fill("registry.npmjs.org");
  await look(page, "session-network");
  await button("Start session").click();
  await page.waitForURL(/\/sessions\//);
  await transcript().getByText("The agent asks for your permission:").waitFor();
  const { data: runs } = await owner.api.runs.list({ params: { agent_id: agent.id } });
  expect(runs[0]).toMatchObject({ network: "restricted", allowed_hosts: ["registry.npmjs.org"] });
});

test("thoughts, plans, tools and a request for a permission are shown, and answered", async () => {
  await transcript().getByText("tour of the project").waitFor();
  await transcript().getByText("Thought").click();
  await transcript().getByText("I read the project first.").waitFor();
  await page.getByText("Plan: 1 of 2").waitFor();
  // The changes that it asks for are open.
  await transcript().getByText("greeting.md (new file)").waitFor();
  await page.getByText("Needs you").first().waitFor();
  await look(page, "session-permission");
  await button("Allow: Write greeting.md").click();
  await transcript().getByText("Allowed by Ada: Write greeting.md").waitFor();
  await transcript().locator("strong", { hasText: "greeting" }).waitFor();
  await transcript().getByText("<img src=x onerror=alert(1)>").waitFor();
  expect(await transcript().locator("img").count()).toBe(0);
  await transcript().getByRole("link", { name: "the guide (https://example.com/guide)" }).waitFor();
  await page.getByText("Plan: 2 of 2").waitFor();
  await page.getByText("Waiting for a prompt").first().waitFor();
  await look(page, "session");
  // The session is the first page of its agent.
  await page.goto(`${app.url}/agents/${agent.id}`);
  await transcript().getByText("Allowed by Ada: Write greeting.md").waitFor();
});

test("modes and models that the program offers are chosen", async () => {
  const mode = page.getByRole("combobox", { name: "Mode", exact: true });
  await mode.selectOption("ask");
  const model = page.getByRole("combobox", { name: "Model" });
  await model.selectOption("large");
  await page.getByRole("combobox", { name: "Fast" }).selectOption("true");
  await expect
    .poll(async () => {
      const { data } = await owner.api.agentSessions.list({
        params: { agent_id: agent.id },
        query: {},
      });
      return [data[0]?.modes?.current, ...(data[0]?.options.map(({ current }) => current) ?? [])];
    })
    .toEqual(["ask", "large", "true"]);
});

test("a turn is canceled, and a prompt waits for its end", async () => {
  await prompt("wait");
  await page.getByText("Working").first().waitFor();
  await prompt("say then this");
  const waiting = transcript().getByText("say then this");
  await waiting.waitFor();
  await page.locator("textarea:placeholder-shown").waitFor();
  // Canceling drops the prompts that wait.
  await button("Cancel turn").click();
  await transcript().getByText("The turn was canceled.").waitFor();
  await waiting.waitFor({ state: "detached" });
  await prompt("say hello again");
  await transcript().getByText("hello again", { exact: false }).last().waitFor();
});

test("all sessions are searched, and a transcript", async () => {
  await page.getByRole("searchbox", { name: "Search this session" }).fill("greeting");
  await page.getByText(/\d entries/).waitFor();
  await page.getByRole("searchbox", { name: "Search this session" }).fill("");
  const all = page.getByRole("searchbox", { name: "Search all sessions" });
  await all.fill("A SENTENCE");
  const found = page.getByRole("navigation", { name: "Sessions" });
  await found.getByText(/a title - a sentence/).waitFor();
  await all.fill("not there at all");
  await found.getByText("Nothing found.").waitFor();
  await all.fill("");
});

test("a session is renamed and closed", async () => {
  await button("Rename session").click();
  await page.getByRole("textbox", { name: "Title" }).fill("The greeting");
  await button("Rename").click();
  await page.getByRole("heading", { name: "The greeting" }).waitFor();
  await button("Close session").click();
  await page.getByRole("dialog").getByRole("button", { name: "Close session" }).click();
  await page.getByRole("link", { name: "New session" }).first().waitFor();
  await page.getByRole("navigation", { name: "Sessions" }).getByText("Closed").waitFor();
  await look(page, "session-closed");
  // The second of two answers is refused.
  expect(messages.filter((text) => !text.includes("409"))).toEqual([]);
});

test("in an archived organization sessions can be read alone", async () => {
  const params = { org_id: agent.organization_id };
  await owner.api.organizations.archive({ params });
  await page.reload();
  const start = button("Start session");
  await start.waitFor();
  await expect.poll(() => start.getAttribute("aria-disabled")).toBe("true");
  await screenshot(page, "session-archived");
  await page.getByRole("link", { name: /^The greeting/ }).click();
  await transcript().getByText("Allowed by Ada: Write greeting.md").waitFor();
});
