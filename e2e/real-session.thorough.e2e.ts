import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { installAgents } from "#test/real-agents/install-agents.js";
import { type ScriptedModel, startScriptedModel } from "#test/real-agents/scripted-model.js";
import { launchBrowser, look, signedInPage, watchConsole } from "./support/browser.js";

const installed = await installAgents();
const [agents, suffix] =
  "folder" in installed ? [installed.folder, ""] : [null, `: ${installed.missing}`];

/** The page of a session with a real agent, whose model is a script. */
describe.skipIf(agents === null)(
  `a real agent in the browser${suffix}`,
  { timeout: 180_000 },
  () => {
    let model: ScriptedModel;
    let app: TestApp;
    let browser: Browser;
    let page: Page;
    let owner: TestPerson;
    let agent: Agent;
    let orgId: string;
    let messages: string[];

    beforeAll(async () => {
      model = await startScriptedModel({
        steps: [
          { path: "/workspace/later.txt", text: "later\n" },
          { command: "cp later.txt copy.txt" },
        ],
        message: "The **greeting** is there.",
      });
      const settings = {
        OMOI_MODEL_PRIVATE_HOSTS: "true",
        OMOI_SANDBOX_READONLY: agents ?? "",
        OMOI_RUN_MEMORY_MIB: "4096",
      };
      app = await startTestApp(settings, "real");
      owner = await app.person("Ada");
      const org = await makeOrganization(owner);
      orgId = org.id;
      const project = await makeProject(owner, org.id);
      await owner.api.organizationSecrets.set({
        params: { org_id: org.id, name: "ANTHROPIC" },
        body: {
          kind: "model",
          provider: "anthropic",
          base_url: model.url,
          value: "sk-ant-of-the-browser-0123456789",
        },
      });
      agent = (await makeWorkspace(owner, project.id)).agent;
      browser = await launchBrowser();
      page = await signedInPage(browser, app, owner);
      messages = watchConsole(page);
    }, 300_000);
    afterAll(async () => {
      await browser.close();
      await app.close();
      await model.close();
    });

    test("Claude Code is asked for a change, asks for permissions, and shows what it did", async () => {
      await page.goto(`${app.url}/agents/${agent.id}`);
      await page.getByRole("combobox", { name: "Program" }).selectOption("claude-code");
      await page.getByRole("textbox", { name: /^Prompt/ }).fill("Add a greeting.");
      await page.getByRole("button", { name: "Start session" }).click();
      await page.waitForURL(/\/sessions\//);
      const transcript = page.getByRole("region", { name: "Transcript" });
      const allow = page.getByRole("button", { name: /^Allow/ });
      // The edit, and the command.
      for (const nth of [0, 1]) {
        await allow.first().waitFor({ timeout: 60_000 });
        await look(page, `real-session-permission-${nth}`);
        await allow.first().click();
        await transcript
          .getByText(/^Allowed by Ada: /)
          .nth(nth)
          .waitFor();
      }
      await transcript.locator("strong", { hasText: "greeting" }).waitFor({ timeout: 60_000 });
      await page.getByRole("combobox", { name: "Model", exact: true }).waitFor();
      await page.getByText(/in \d+ calls/).waitFor();
      await look(page, "real-session");
      await page.getByRole("link", { name: "Changes", exact: true }).click();
      await page.getByRole("region", { name: "later.txt" }).waitFor();
      expect(messages).toEqual([]);
    });

    test("over the budget the agent says why it stops, and goes on with a larger one", async () => {
      const params = { org_id: orgId };
      await owner.api.organizations.update({ params, body: { max_model_tokens: 1 } });
      await page.goto(`${app.url}/agents/${agent.id}`);
      const transcript = page.getByRole("region", { name: "Transcript" });
      const prompt = page.getByRole("textbox", { name: "Prompt" });
      await prompt.fill("And another one.");
      await page.keyboard.press("Enter");
      await transcript
        .getByText(/has used its budget of 1 model tokens/)
        .first()
        .waitFor({ timeout: 120_000 });
      await page.getByText("Waiting for a prompt").first().waitFor({ timeout: 60_000 });
      await look(page, "real-session-budget");
      await owner.api.organizations.update({ params, body: { max_model_tokens: null } });
      const thanks = transcript.locator("strong", { hasText: "greeting" });
      const before = await thanks.count();
      await prompt.fill("Once more.");
      await page.keyboard.press("Enter");
      await thanks.nth(before).waitFor({ timeout: 60_000 });
    });
  },
);
