import { spawn } from "node:child_process";
import { join } from "node:path";
import { anchorRanges, type LineRange } from "#git/anchor/anchor-ranges.js";
import { stopObjectReader } from "#git/objects/object-reader.js";
import {
  command,
  interleave,
  median,
  ms,
  plainEnv,
  spread,
  timed,
  times,
  type Row,
} from "../support/harness.js";
import { drawer } from "../support/repository.js";
import { lineOf, pathOf } from "./sources.js";

/** The threads: files with so many lines, commits, and threads written at each. */
const files = 20;
const linesOfFile = 500;
const commits = 50;
const threadsOfCommit = 20;
const rounds = 9;

export const threadsMethod =
  `The threads: ${commits * threadsOfCommit} ranges, written over ${commits} commits to ${files} files of ${linesOfFile} ` +
  "lines and more, are found in the newest commit, beside `git blame` of these files.";

/** Measures how fast threads find their lines again. */
export async function measureThreads(folder: string, log: (line: string) => void): Promise<Row> {
  const repoPath = join(folder, "threads.git");
  await command("git", ["init", "--quiet", "--bare", "--initial-branch=main", repoPath], folder);
  const { stream, written } = makeHistory();
  await feed(repoPath, stream);
  const list = await command("git", ["rev-list", "--reverse", "main"], repoPath);
  const shas = list.trim().split("\n");
  const head = shas.at(-1) ?? "";
  const ranges = written.map(({ commit, ...range }): LineRange => {
    return { ...range, commit: shas[commit] ?? "", text: null };
  });
  const figures = await interleave(rounds, {
    anchor: () => timed(() => anchorRanges(repoPath, ranges, head)),
    blame: () =>
      timed(async () => {
        for (let file = 0; file < files; file += 1) {
          await command("git", ["blame", "--porcelain", head, "--", pathOf(file)], repoPath);
        }
      }),
  });
  const found = await anchorRanges(repoPath, ranges, head);
  await stopObjectReader(repoPath);
  log(`${found.filter((place) => place !== null).length} of ${found.length} threads have a place`);
  const ratio = median(figures.anchor) / median(figures.blame);
  return {
    label: `${ranges.length} threads over ${commits} commits`,
    result: ms(median(figures.anchor)),
    baseline: `${ms(median(figures.blame))}, git blame of their files`,
    ratio: `${times(ratio)} (${spread(figures.anchor, figures.blame)})`,
    target: "at most 1.5 ×",
    met: ratio <= 1.5,
  };
}

interface Written {
  /** Number of the commit, from 0. */
  commit: number;
  path: string;
  startLine: number;
  line: number;
}

/** Makes commits that each change some lines of every fourth file, and the ranges that are commented on. */
function makeHistory(): { stream: string; written: Written[] } {
  const draw = drawer(20_261);
  const texts = Array.from({ length: files }, (_, file) =>
    Array.from({ length: linesOfFile }, (_line, line) => lineOf(file, line, "first")),
  );
  const written: Written[] = [];
  let stream = "";
  for (let commit = 0; commit < commits; commit += 1) {
    stream += `commit refs/heads/main\ncommitter Bench <bench@example.com> ${1_700_000_000 + commit} +0000\ndata 1\nx\n`;
    for (const [file, lines] of texts.entries()) {
      if (commit > 0 && (file + commit) % 4 !== 0) continue;
      const edits = commit > 0 ? 6 : 0;
      for (let edit = 0; edit < edits; edit += 1) {
        const added = Array.from({ length: draw(4) }, (_, at) =>
          lineOf(file, commit * 1000 + edit * 10 + at, "edited"),
        );
        lines.splice(draw(lines.length), draw(4), ...added);
      }
      const text = lines.join("");
      stream += `M 100644 inline ${pathOf(file)}\ndata ${text.length}\n${text}\n`;
    }
    for (let thread = 0; thread < threadsOfCommit; thread += 1) {
      const file = draw(files);
      const startLine = 1 + draw((texts[file]?.length ?? 1) - 5);
      written.push({ commit, path: pathOf(file), startLine, line: startLine + draw(4) });
    }
  }
  return { stream, written };
}

async function feed(repoPath: string, stream: string): Promise<void> {
  const child = spawn("git", ["fast-import", "--quiet"], {
    cwd: repoPath,
    env: plainEnv(),
    stdio: ["pipe", "ignore", "inherit"],
  });
  child.stdin.end(stream);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  if (code !== 0) throw new Error(`git fast-import failed (${code})`);
}
