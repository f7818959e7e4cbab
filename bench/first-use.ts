import { chromium, type Browser, type Page } from "playwright-core";
// @ts-expect-error -- a script for a bare Node, without types
import { chromiumFlags, findChromium as find } from "../scripts/chromium.mjs";
import { median, type Benchmark, type Row } from "./support/harness.js";
import { estimate, person, seconds, userOf, type Effort } from "./support/person.js";
import { account, startServer } from "./support/server.js";

const findChromium = find as () => string | null;
const rounds = 5;
const targetSeconds = 120;

/** The first use in a browser: from the first page of a new installation to a merged change. */
export const firstUse: Benchmark = {
  name: "first-use",
  method:
    "`node scripts/start.mjs`, the command of `npm start`, serves a new data folder from a complete build. " +
    "Chromium opens the first page, creates the account and presses the button of each step of the guide, " +
    "in which everything but the email address and the password is filled in. The scripted demo agent makes " +
    "the commit, without a model. Seconds are medians of " +
    `${rounds} rounds, each with a new folder and an empty cache, and end when the page shows the result. ` +
    "Clicks include those into fields. The estimate for a person adds to the measured seconds, which " +
    `have no pauses, ${person.decide} s to decide, ${person.point} s to point and ${person.press} s to ` +
    `press for each click, and ${person.character} s for each character (keystroke-level model).`,
  run: async (folder, log) => {
    const executablePath = findChromium();
    if (executablePath === null) return [notMeasured("Chromium")];
    const browser = await chromium.launch({ executablePath, args: chromiumFlags as string[] });
    try {
      const seen: Path[] = [];
      for (let round = 1; round <= rounds; round += 1) {
        log(`round ${round} of ${rounds}`);
        const path = await measure(browser, `${folder}/data-${round}`);
        if (path === null) return [notMeasured("a sandbox")];
        seen.push(path);
      }
      return rowsOf(seen);
    } finally {
      await browser.close();
    }
  },
};

const notMeasured = (what: string): Row => ({
  label: "First page to the first merged change",
  result: `not measured: needs ${what}`,
  baseline: "",
  ratio: "",
  target: "",
  met: null,
});

interface Path {
  startSeconds: number;
  merged: Effort;
  /** From the next button to the page of the predicted conflict. */
  conflict: Effort;
}

async function measure(browser: Browser, dataDir: string): Promise<Path | null> {
  const server = await startServer({
    dataDir,
    program: [process.execPath, "scripts/start.mjs"],
  });
  try {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    try {
      const merged = await firstMerge(page, server.url);
      if (merged === null) return null;
      const conflict = await firstConflict(page);
      return { startSeconds: server.readyMs / 1000, merged, conflict };
    } catch (error) {
      const shown = await page.locator("body").innerText();
      throw new Error(`${page.url()} shows: ${shown.slice(0, 2000)}`, { cause: error });
    } finally {
      await context.close();
    }
  } finally {
    await server.stop();
  }
}

/** Returns null where no run can start. */
async function firstMerge(page: Page, url: string): Promise<Effort | null> {
  const user = userOf(page);
  await page.goto(url);
  await user.enter("Email address", account.email);
  await user.enter("Password", account.password);
  await user.press("Create administrator account");
  await user.press("Create organization");
  await user.press("Create project");
  await user.press("Create agent and workspace");
  const demo = page.getByRole("button", { name: "Run the demo script" });
  const unavailable = page.getByText("No run can start here.");
  await demo.or(unavailable).waitFor();
  if (await unavailable.isVisible()) return null;
  await user.press("Run the demo script");
  await user.press("Merge into main");
  await page.getByRole("heading", { name: "Merge it (done)" }).waitFor();
  return user.effort();
}

async function firstConflict(page: Page): Promise<Effort> {
  const user = userOf(page);
  await user.press("Make two agents conflict");
  await page.getByRole("link", { name: "Merge demo-left first" }).waitFor();
  return user.effort();
}

function rowsOf(paths: readonly Path[]): Row[] {
  const starts = median(paths.map(({ startSeconds }) => startSeconds));
  const merged = medianOf(paths.map((path) => path.merged));
  const conflict = medianOf(paths.map((path) => path.conflict));
  const byPerson = starts + estimate(merged);
  const row = { baseline: "", ratio: "", target: "", met: null };
  const within = { target: `at most ${targetSeconds} s` };
  return [
    { ...row, label: "`npm start` until ready, new data folder", result: seconds(starts) },
    {
      ...row,
      ...within,
      label: "First page to the first merged change",
      result: `${merged.clicks} clicks, 2 fields, ${seconds(merged.seconds)}`,
      met: merged.seconds <= targetSeconds,
    },
    {
      ...row,
      ...within,
      label: "`npm start` to the first merged change, estimate for a person",
      result: seconds(byPerson),
      met: byPerson <= targetSeconds,
    },
    {
      ...row,
      label: "From there to the page of the conflict of two agents",
      result: `${conflict.clicks} click, ${seconds(conflict.seconds)}`,
    },
  ];
}

/** The rounds differ in seconds only. */
function medianOf(efforts: readonly Effort[]): Effort {
  const [{ clicks, characters } = { clicks: 0, characters: 0 }] = efforts;
  return { clicks, characters, seconds: median(efforts.map((one) => one.seconds)) };
}
