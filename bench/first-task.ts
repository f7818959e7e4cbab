import { chromium, type Browser, type Page } from "playwright-core";
import type { PresetName } from "#shared/execution/run-choices.js";
import { foldersOf, installAgents, installCodex } from "#test/real-agents/install-agents.js";
import { startScriptedModel, type ScriptedModel } from "#test/real-agents/scripted-model.js";
// @ts-expect-error -- a script for a bare Node, without types
import { chromiumFlags, findChromium as find } from "../scripts/chromium.mjs";
import { median, type Benchmark, type Row } from "./support/harness.js";
import { estimate, seconds, userOf, type Effort } from "./support/person.js";
import { account, clientOf, startServer } from "./support/server.js";

const findChromium = find as () => string | null;
const rounds = 3;
const maxClicks = 4;
const text = "Add a greeting in hello.txt";
const presets: readonly PresetName[] = ["claude-code", "opencode", "codex"];

/** The first task in a browser: from the first account to a merged change of a real agent. */
export const firstTask: Benchmark = {
  name: "first-task",
  method:
    "`node scripts/start.mjs`, the command of `npm start`, serves a new data folder from a complete build; the " +
    "account exists. Chromium creates an organization and a project by the buttons of the guide, opens the box " +
    "with `c`, types a line and presses Enter; on the page of the task, *Approve and merge* is pressed once it " +
    "is there, and *Allow* before, where the program asks for it. The agents are the real programs, with a scripted model " +
    "behind the gateway that lets them write a file. The model key was set before, since its address is that of the scripted " +
    "model: with the provider's own address the box asks for it, one field and one click more. The seconds " +
    `are medians of ${rounds} rounds, each with a new data folder. Programs are installed with CI=1 or THOROUGH=1.`,
  run: async (folder, log) => {
    const executablePath = findChromium();
    const agents = await installAgents();
    const programs = foldersOf(agents, await installCodex());
    const missing = executablePath === null ? "Chromium" : "missing" in agents && agents.missing;
    if (missing !== false || "missing" in agents || executablePath === null) {
      return [rowOf("A real agent's first task", `not measured: needs ${String(missing)}`, null)];
    }
    const browser = await chromium.launch({ executablePath, args: chromiumFlags as string[] });
    const model = await startScriptedModel({
      steps: [{ path: "/workspace/hello.txt", text: "hello\n" }],
      message: "The greeting is there.",
    });
    try {
      const rows: Row[] = [];
      for (const preset of presets) {
        const seen: Path[] = [];
        for (let round = 1; round <= rounds; round += 1) {
          log(`${preset}, round ${round} of ${rounds}`);
          const dataDir = `${folder}/data-${preset}-${round}`;
          const path = await measure({ browser, model, dataDir, preset, programs });
          if (path === null) break;
          seen.push(path);
        }
        rows.push(...rowsOf(preset, seen));
      }
      return rows;
    } finally {
      await model.close();
      await browser.close();
    }
  },
};

const rowOf = (label: string, result: string, met: boolean | null): Row => ({
  label,
  result,
  baseline: "",
  ratio: "",
  target: met === null ? "" : `at most ${maxClicks} clicks`,
  met,
});

interface Path {
  startSeconds: number;
  /** From the first account to the first words of the agent. */
  words: Effort;
  merged: Effort;
}

interface Round {
  browser: Browser;
  model: ScriptedModel;
  dataDir: string;
  preset: PresetName;
  /** The folders with the programs. */
  programs: string[];
}

/** Returns null where the program is not installed. */
async function measure(round: Round): Promise<Path | null> {
  const server = await startServer({
    dataDir: round.dataDir,
    program: [process.execPath, "scripts/start.mjs"],
    env: {
      OMOI_MODEL_PRIVATE_HOSTS: "true",
      OMOI_SANDBOX_READONLY: round.programs.join(":"),
      OMOI_RUN_MEMORY_MIB: "4096",
    },
  });
  const context = await round.browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(40_000);
  try {
    const path = await firstMerge(page, server.url, round);
    return path && { startSeconds: server.readyMs / 1000, ...path };
  } catch (error) {
    const shown = await page.locator("body").innerText();
    throw new Error(`${page.url()} shows: ${shown.slice(0, 2000)}`, { cause: error });
  } finally {
    await context.close();
    await server.stop();
  }
}

async function firstMerge(
  page: Page,
  url: string,
  { model, preset }: Round,
): Promise<Omit<Path, "startSeconds"> | null> {
  await page.goto(url);
  const newcomer = userOf(page);
  await newcomer.enter("Email address", account.email);
  await newcomer.enter("Password", account.password);
  await newcomer.press("Create administrator account");
  await page.getByRole("button", { name: "Create organization", exact: true }).waitFor();
  const api = await signIn(url);
  const { data: programs } = await api.presets.list();
  if (programs.find(({ name }) => name === preset)?.available !== true) return null;

  const user = userOf(page);
  await user.press("Create organization");
  await page.getByRole("button", { name: "Create project", exact: true }).waitFor();
  const [organization] = (await api.organizations.list()).data;
  for (const provider of ["anthropic", "openai"]) {
    await api.organizationSecrets.set({
      params: { org_id: organization?.id as string, name: provider.toUpperCase() },
      body: {
        kind: "model",
        provider,
        value: "sk-ant-of-a-measurement-0123456789",
        base_url: model.url,
      },
    });
  }
  await user.press("Create project");
  await page.getByRole("button", { name: "Create agent and workspace", exact: true }).waitFor();
  await page.keyboard.press("c");
  const box = page.getByRole("textbox", { name: "What should be done?" });
  await box.waitFor();
  const choice = page.getByRole("combobox", { name: "Program" });
  // The only program needs no choice.
  if ((await choice.count()) > 0 && (await choice.inputValue()) !== preset) {
    await user.select("Program", preset);
  }
  await user.type(box, text);
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/tasks\/[\da-f-]{36}$/);
  await page.getByRole("region", { name: "Transcript" }).getByText("hello.txt").nth(1).waitFor();
  const words = user.effort();
  const allow = page.getByRole("button", { name: /^Allow/ }).first();
  const approve = page.getByRole("button", { name: "Approve and merge", exact: true });
  await allow.or(approve).first().waitFor();
  if (await allow.isVisible()) await user.click(allow);
  await user.press("Approve and merge");
  await page
    .getByText(/^●?Done$/)
    .first()
    .waitFor();
  return { words, merged: user.effort() };
}

async function signIn(url: string) {
  const { data } = await clientOf(url, null).auth.login({ body: account });
  return clientOf(url, data.access_token);
}

function rowsOf(preset: PresetName, paths: readonly Path[]): Row[] {
  const [first] = paths;
  if (first === undefined) return [rowOf(preset, "not measured: it is not installed", null)];
  const clicks = Math.max(...paths.map(({ merged }) => merged.clicks));
  const medianOf = (pick: (path: Path) => number): number => median(paths.map(pick));
  const merged = medianOf((path) => path.merged.seconds);
  const total =
    medianOf(({ startSeconds }) => startSeconds) + estimate({ ...first.merged, seconds: merged });
  return [
    rowOf(
      `${preset}: first account to its first words`,
      seconds(medianOf((path) => path.words.seconds)),
      null,
    ),
    rowOf(
      `${preset}: first account to the merged change`,
      `${clicks} clicks, 1 line, ${seconds(merged)}`,
      clicks <= maxClicks,
    ),
    rowOf(
      `${preset}: \`npm start\` to the merged change, estimate for a person`,
      seconds(total),
      null,
    ),
  ];
}
