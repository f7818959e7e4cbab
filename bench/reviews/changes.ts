import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import {
  command,
  interleave,
  median,
  ms,
  spread,
  timed,
  times,
  type Row,
} from "../support/harness.js";
import { withServer } from "../support/server.js";
import { startFirstFilePage } from "./first-file-page.js";
import { makeTask } from "./reviewed-task.js";
import { pathOf, replacedLines, writeSources } from "./sources.js";

const rounds = 9;
const changedFiles = 500;

export const changesMethod =
  `A change of ${changedFiles} files and ${changedFiles * replacedLines * 2} lines: GET …/changes of the list with the ` +
  "first files, which the page shows first, beside a bare server that writes the same list and the first file as HTML, " +
  "as forges do; then all lines, and one file, beside `git diff` by hand. " +
  `${rounds} rounds, each half a second after the end of a turn that has changed something.`;

/** Measures how fast the lines of a large change are read. */
export async function measureChanges(folder: string, log: (line: string) => void): Promise<Row[]> {
  const options = { dataDir: join(folder, "data"), env: { OMOI_IMPORT_ROOTS: folder } };
  return withServer(options, async (_server, api) => {
    const { taskId, commit, workspace, original } = await makeTask(api, folder, changedFiles);
    await writeSources(workspace, changedFiles, "second");
    await commit();
    log("changed");
    const read = async (wanted: number, query: { path?: string; patches?: "first" }) => {
      const { data } = await api.reviews.changes({ params: { task_id: taskId }, query });
      if (data.files.length < wanted) throw new Error(`${data.files.length} files in the answer`);
      if (!data.files.some(({ patch }) => patch)) throw new Error("no lines in the answer");
    };
    const byHand = async (...paths: string[]): Promise<void> => {
      await command("git", ["diff", "-M", "HEAD~1", "HEAD", "--", ...paths], original);
    };
    await writeSources(original, changedFiles, "second");
    await command("git", ["commit", "--quiet", "--all", "-m", "Second"], original);
    const page = await startFirstFilePage(original);
    try {
      let made = 0;
      const afterCommit = async (work: () => Promise<unknown>): Promise<number> => {
        made += 1;
        await appendFile(join(workspace, "notes.txt"), `round ${made}\n`);
        await commit();
        // The work of the server at the end of a turn is none of the reading.
        await new Promise((resolve) => setTimeout(resolve, 500));
        return timed(work);
      };
      const figures = await interleave(rounds, {
        first: () => afterCommit(() => read(changedFiles, { patches: "first" })),
        firstAsPage: () =>
          timed(async () => {
            const text = await (await fetch(page.url)).text();
            if (!text.includes("<table><tr>")) throw new Error("no lines in the page");
          }),
        all: () => afterCommit(() => read(changedFiles, {})),
        allByHand: () => timed(() => byHand()),
        single: () => afterCommit(() => read(1, { path: pathOf(1) })),
        singleByHand: () => timed(() => byHand(pathOf(1))),
      });
      return [
        row("List and first file of a change", figures.first, figures.firstAsPage, 1),
        row(`All lines of ${changedFiles} files`, figures.all, figures.allByHand, null),
        row("Lines of one file", figures.single, figures.singleByHand, null),
      ];
    } finally {
      page.stop();
    }
  });
}

function row(label: string, ours: number[], theirs: number[], most: number | null): Row {
  const ratio = median(ours) / median(theirs);
  const name = most === null ? "git diff" : "page written by a bare server";
  return {
    label,
    result: ms(median(ours)),
    baseline: `${ms(median(theirs))}, ${name}`,
    ratio: `${times(ratio)} (${spread(ours, theirs)})`,
    target: most === null ? "" : `at most ${most} ×`,
    met: most === null ? null : ratio <= most,
  };
}
