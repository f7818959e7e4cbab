import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
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
  await page.goto(`${app.url}/projects/${project.id}/settings`);
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

test("the budgets of organization, project and agent show what is used of them", async () => {
  const own = await makeProject(owner, org.id);
  const { agent } = await makeWorkspace(owner, own.id);
  await owner.api.organizations.update({
    params: { org_id: org.id },
    body: { max_model_cost_usd: 50, max_model_tokens: 250_000_000 },
  });
  await owner.api.projects.update({
    params: { project_id: own.id },
    body: { max_model_tokens: 2_000_000 },
  });
  await owner.api.agents.update({
    params: { agent_id: agent.id },
    body: { max_model_cost_usd: 3 },
  });
  // At $1.25 and $10 per million: $3.20.
  const usage = { prompt_tokens: 1_600_000, completion_tokens: 120_000 };
  provider.respond((response) => answerJson(response, { model: "gpt-5", usage }));
  const script = `fetch(process.env.LOCAL_LLM_BASE_URL + "/responses", { method: "POST", body: '{"model":"gpt-5"}',
    headers: { authorization: "Bearer " + process.env.LOCAL_LLM_API_KEY } }).then((answer) => answer.text())`;
  const { data: run } = await owner.api.runs.create({
    params: { agent_id: agent.id },
    body: { command: ["node", "-e", script], network: "restricted", allowed_hosts: [] },
  });
  expect(await waitForRunEnd(owner, run.id)).toMatchObject({ status: "succeeded" });
  for (const { name, path, texts, meters } of [
    {
      name: "organization",
      path: `/organizations/${org.id}/settings?tab=resources`,
      texts: ["$3.20 of $50.00 this month", "1,720,000 of 250,000,000 this month"],
      meters: ["Used cost budget", "Used token budget"],
    },
    {
      name: "project",
      path: `/projects/${own.id}/settings`,
      texts: ["$3.20 this month", "1,720,000 of 2,000,000 this month"],
      meters: ["Used token budget"],
    },
    {
      name: "agent",
      path: `/agents/${agent.id}/settings`,
      texts: ["$3.20 of $3.00 this month", "1,720,000 this month"],
      meters: ["Used cost budget"],
    },
  ]) {
    await page.goto(`${app.url}${path}`);
    const form = page.getByRole("form", { name: "Model budgets" });
    for (const text of texts) await page.getByText(text, { exact: true }).waitFor();
    const shown = page.getByRole("meter", { name: /^Used .* budget$/ });
    expect(await shown.evaluateAll((all) => all.map((each) => each.ariaLabel))).toEqual(meters);
    expect(await shown.first().getAttribute("aria-valuetext")).toMatch(/ of .* this month$/);
    await form.scrollIntoViewIfNeeded();
    await expectAccessible(page);
    await look(`used-budget-${name}`);
  }
  // A new budget is shown at once.
  const form = page.getByRole("form", { name: "Model budgets" });
  await form.getByLabel("US dollars a month").fill("1200");
  await button("Save budgets").click();
  await page.getByText("$3.20 of $1,200.00 this month", { exact: true }).waitFor();
});

test("the models that the organization allows are saved, and emptied", async () => {
  await page.goto(`${app.url}/organizations/${org.id}/settings?tab=resources`);
  const form = page.getByRole("form", { name: "Allowed models" });
  await form.getByLabel("Models").fill("claude-sonnet-*\n a model?");
  await button("Save models").click();
  await form.getByText("Must be the name of a model, such as claude-sonnet-*").waitFor();
  await form.getByLabel("Models").fill("claude-sonnet-*\n local-*");
  await button("Save models").click();
  await page.getByText("The allowed models are saved").first().waitFor();
  await form.scrollIntoViewIfNeeded();
  await look("allowed-models");
  const read = async () =>
    (await owner.api.organizations.get({ params: { org_id: org.id } })).data.allowed_models;
  expect(await read()).toEqual(["claude-sonnet-*", "local-*"]);
  await form.getByLabel("Models").fill("");
  await button("Save models").click();
  await expect.poll(read).toBeNull();
});

test("a run's page and the usage show tokens and cost by model", async () => {
  // Under a budget in dollars, a model without a price is refused.
  await owner.api.organizations.update({
    params: { org_id: org.id },
    body: { max_model_cost_usd: null },
  });
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
  await page.getByRole("tab", { name: "Model", exact: true }).click();
  const table = page.getByRole("table", { name: "Usage by model" });
  await table.getByText("gpt-5-mini").waitFor();
  await table.getByText("secret-model").waitFor();
  await table.getByText("and unpriced calls").waitFor();
  await table.scrollIntoViewIfNeeded();
  await expectAccessible(page);
  await look("usage-by-model");
  await page.goto(`${app.url}/agents/${agent.id}/settings`);
  await page.getByRole("form", { name: "Model budgets" }).waitFor();
  expect(messages.filter((text) => !text.includes("422"))).toEqual([]);
});
