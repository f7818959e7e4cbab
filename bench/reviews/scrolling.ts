import { join } from "node:path";
import { chromium, type Page } from "playwright-core";
// @ts-expect-error -- a script for a bare Node, without types
import { chromiumFlags, findChromium as find } from "../../scripts/chromium.mjs";
import { sessionOf } from "../pages.js";
import { median, ms, type Row } from "../support/harness.js";
import { withServer } from "../support/server.js";
import { makeTask } from "./reviewed-task.js";
import { pathOf, writeSources } from "./sources.js";

const findChromium = find as () => string | null;
const rounds = 5;
const changedFiles = 1000;
/** Frames of one round, and how far each scrolls; pixels. */
const frames = 600;
const step = 120;
const mostMs = 50;

export const scrollingMethod =
  `Scrolling: Chromium opens the changes of a task with ${changedFiles} files and scrolls ${step} px in each of ${frames} ` +
  `frames, ${rounds} times from the top, while the lines of the files are read as they come near. A frame lasts ` +
  "until the next one begins.";

/** Measures the frames of the review page while it scrolls through many files. */
export async function measureScrolling(
  folder: string,
  log: (line: string) => void,
): Promise<Row[]> {
  const executablePath = findChromium();
  if (executablePath === null) return [];
  const options = { dataDir: join(folder, "scrolling"), env: { OMOI_IMPORT_ROOTS: folder } };
  return withServer(options, async ({ url }, api) => {
    const { taskId, workspace, commit } = await makeTask(api, folder, changedFiles);
    await writeSources(workspace, changedFiles, "second");
    await commit();
    const browser = await chromium.launch({ executablePath, args: chromiumFlags as string[] });
    try {
      const session = await sessionOf(browser, url);
      const worst: number[] = [];
      const late: number[] = [];
      const opened: number[] = [];
      for (let round = 0; round <= rounds; round += 1) {
        const context = await browser.newContext(session ? { storageState: session } : {});
        const page = await context.newPage();
        await page.setViewportSize({ width: 1440, height: 900 });
        const start = performance.now();
        await page.goto(`${url}/tasks/${taskId}?part=changes&full=true`);
        await page
          .getByRole("region", { name: pathOf(0) })
          .locator("table")
          .first()
          .waitFor();
        const shown = performance.now() - start;
        const deltas = await scroll(page);
        await context.close();
        log(
          `longest frame ${Math.max(...deltas).toFixed(0)} ms, first file after ${shown.toFixed(0)} ms`,
        );
        if (round === 0) continue;
        opened.push(shown);
        worst.push(Math.max(...deltas));
        late.push(deltas.filter((delta) => delta > mostMs).length);
      }
      return [
        {
          label: `Scrolling through ${changedFiles} files, longest frame`,
          result: `${ms(median(worst))}, ${median(late)} of ${frames} frames over ${mostMs} ms`,
          baseline: "",
          ratio: "",
          target: `at most ${mostMs} ms`,
          met: median(worst) <= mostMs,
        },
        {
          label: `Lines of the first of ${changedFiles} files in the browser, with the app`,
          result: ms(median(opened)),
          baseline: "",
          ratio: "",
          target: "",
          met: null,
        },
      ];
    } finally {
      await browser.close();
    }
  });
}

/** Scrolls down frame by frame, and returns how long each frame took. */
async function scroll(page: Page): Promise<number[]> {
  // What follows the first paint is none of the scrolling.
  await page.waitForTimeout(2000);
  // A string, not a function, since this file has no DOM types.
  return page.evaluate<number[]>(`new Promise((resolve) => {
    const deltas = [];
    let before = performance.now();
    const next = () => {
      const now = performance.now();
      deltas.push(now - before);
      before = now;
      if (deltas.length > ${frames}) return resolve(deltas.slice(1));
      scrollBy(0, ${step});
      requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  })`);
}
