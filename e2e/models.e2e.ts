import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Organization } from "#shared/api/organizations/organizations.js";
import type { Project } from "#shared/api/projects/projects.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { waitForRunEnd } from "#test/support/fixtures/runs.js";
import {
  answerJson,
  startModelServer,
  type ModelServer,
} from "#test/support/models/model-server.js";
import { expectAccessible } from "./support/accessible.js";
import { launchBrowser, screenshot, signedInPage, watchConsole } from "./support/browser.js";

/** Keys of model providers, budgets and the use of models, through the pages. */
let provider: ModelServer;
let app: TestApp;
let browser: Browser;
let owner: TestPerson;
let page: Page;
let messages: string[];
let org: Organization;
let project: Project;

beforeAll(async () => {
  provider = await startModelServer();
  app = await startTestApp({ OMOI_MODEL_PRIVATE_HOSTS: "true" }, "real");
  owner = await app.person("Ada");
  org = await makeOrganization(owner);
  project = await makeProject(owner, org.id);
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
  await provider.close();
});

const button = (name: string, where: Page | Locator = page) =>
  where.getByRole("button", { name, exact: true });
const dialog = () => page.getByRole("dialog");
const field = (name: string) => dialog().getByLabel(name, { exact: true });
/** A screenshot in the sizes of a desk and a phone. */
async function look(name: string): Promise<void> {
  await screenshot(page, name);
  await page.setViewportSize({ width: 390, height: 844 });
  await screenshot(page, `${name}-390`);
  await page.setViewportSize({ width: 1440, height: 900 });
}

test("an owner sets the key of a provider, and replaces it without naming it again", async () => {
  await page.goto(`${app.url}/organizations/${org.id}/settings`);
  await page.getByText("No secrets yet.").waitFor();
  await button("New secret").click();
  await field("Use").selectOption("model");
  await field("Provider").selectOption("other");
  await field("Name").fill("LOCAL");
  await field("Provider's name").fill("Local LLM");
  await dialog().getByText("Must be 1–32 of a-z").waitFor();
  await field("Provider's name").fill("local-llm");
  await field("Address").fill("models.example.com");
  await dialog().getByText("Must be an address").waitFor();
  await field("Address").fill(provider.url);
  await field("Key").fill("the-key");
  await expectAccessible(page);
  await look("model-key-dialog");
  await button("Save").click();
  const table = page.getByRole("table", { name: "Secrets", exact: true });
  await table.getByText(`Models of local-llm at ${provider.url}`).waitFor();
  await button("Replace LOCAL").click();
  expect(await field("Provider's name").inputValue()).toBe("local-llm");
  expect(await field("Address").inputValue()).toBe(provider.url);
  await field("Key").fill("another-key");
  await button("Save").click();
  await dialog().waitFor({ state: "detached" });
  const { data } = await owner.api.organizationSecrets.list({ params: { org_id: org.id } });
  expect(data).toMatchObject([{ name: "LOCAL", kind: "model", provider: "local-llm" }]);
});

test("budgets of the project and the agent are saved, and emptied", async () => {
  await page.goto(`${app.url}/projects/${project.id}`);
  const form = page.getByRole("form", { name: "Model budgets" });
  await form.getByLabel("US dollars a month").fill("12.5");
  await form.getByLabel("Tokens a month").fill("-1");
  await button("Save budgets").click();
  await form.getByText("Must not be negative").waitFor();
  await form.getByLabel("Tokens a month").fill("5000000");
  await button("Save budgets").click();
  await page.getByText("The budgets are saved").first().waitFor();
  await form.scrollIntoViewIfNeeded();
  await look("project-budgets");
  const read = async () =>
    (await owner.api.projects.get({ params: { project_id: project.id } })).data;
  expect(await read()).toMatchObject({ max_model_cost_usd: 12.5, max_model_tokens: 5_000_000 });
  await form.getByLabel("US dollars a month").fill("");
  await button("Save budgets").click();
  await expect.poll(async () => (await read()).max_model_cost_usd).toBeNull();
});

test("a run's page and the usage show tokens and cost by model", async () => {
  const { agent } = await makeWorkspace(owner, project.id);
  provider.respond((response, { body }) =>
    answerJson(response, {
      model: (JSON.parse(body) as { model: string }).model,
      usage: {
        prompt_tokens: 1500,
        completion_tokens: 320,
        prompt_tokens_details: { cached_tokens: 300 },
      },
    }),
  );
  const script = `(async () => { for (const model of ["gpt-5-mini", "secret-model"])
    await (await fetch(process.env.LOCAL_LLM_BASE_URL + "/responses", { method: "POST", body: JSON.stringify({ model }),
      headers: { authorization: "Bearer " + process.env.LOCAL_LLM_API_KEY } })).text(); })()`;
  const { data: run } = await owner.api.runs.create({
    params: { agent_id: agent.id },
    body: { command: ["node", "-e", script], network: "restricted", allowed_hosts: [] },
  });
  expect(await waitForRunEnd(owner, run.id)).toMatchObject({ status: "succeeded" });
  await page.goto(`${app.url}/agents/${agent.id}/runs/${run.id}`);
  await page.getByText(/^3.000 in \(600 cached\), 640 out in 2 calls$/).waitFor();
  await page.getByText("Unknown, because a model has no price").waitFor();
  await look("run-with-models");
  await page.goto(`${app.url}/organizations/${org.id}/settings?tab=resources`);
  const table = page.getByRole("table", { name: "Usage by model" });
  await table.getByText("gpt-5-mini").waitFor();
  await table.getByText("secret-model").waitFor();
  await table.getByText("and unpriced calls").waitFor();
  await table.scrollIntoViewIfNeeded();
  await expectAccessible(page);
  await look("usage-by-model");
  await page.goto(`${app.url}/agents/${agent.id}`);
  await page.getByRole("form", { name: "Model budgets" }).waitFor();
  expect(messages.filter((text) => !text.includes("422"))).toEqual([]);
});
