import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Problem } from "#shared/errors.js";
import {
  RUNNER_PATH,
  WORK_TYPE,
  type RunnerJob,
  type WorkReceipt,
} from "#shared/execution/runner/protocol.js";
import { git, runGit, type GitResult } from "../git/git.js";
import type { TestApp } from "../server/app.js";
import { ofRun, type RunnerAnswer, type ScriptedRunner } from "./scripted-runner.js";

/** The repository of a run on a runner's machine. */
export interface RunRepository {
  folder: string;
  git(...args: string[]): Promise<string>;
  write(files: Record<string, string>): Promise<void>;
  /** Commits all files. Returns the commit. */
  commit(files: Record<string, string>): Promise<string>;
  /** Returns a commit of the files as they are, which no branch has. */
  files(): Promise<string>;
  /** Returns the body of an upload of the branch, HEAD and the files. */
  work(files?: string | null): Promise<Buffer>;
  /** Sends work and remembers the receipt's commits. */
  send(
    hasEnded: boolean,
    files?: string | null,
    by?: ScriptedRunner,
  ): Promise<RunnerAnswer<WorkReceipt & Problem>>;
  dispose(): Promise<void>;
}

/** Returns the arguments of git that name a run's repository and the runner's token. */
export function fetchArguments(
  app: Pick<TestApp, "url">,
  { token }: Pick<ScriptedRunner, "token">,
  runId: string,
): { config: string[]; url: string } {
  return {
    config: ["-c", `http.extraHeader=Authorization: Bearer ${token}`],
    url: `${app.url}${RUNNER_PATH}/runs/${runId}/git`,
  };
}

/** Fetches the branches of a run, and checks out its own. */
export async function openRunRepository(
  app: Pick<TestApp, "url">,
  runner: ScriptedRunner,
  job: RunnerJob,
): Promise<RunRepository> {
  const folder = await mkdtemp(join(tmpdir(), "omoi-run-"));
  const run = (...args: string[]): Promise<string> => git(args, { cwd: folder });
  const { config, url } = fetchArguments(app, runner, job.run_id);
  try {
    await run("init", "--quiet", `--initial-branch=${job.branch}`);
    await run("config", "user.name", job.agent.name);
    await run("config", "user.email", "agent@example.com");
    await run(...config, "fetch", "--quiet", url, "+refs/heads/*:refs/remotes/origin/*");
    await run("reset", "--quiet", "--hard", job.head_commit);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  let known = [job.head_commit, ...(job.base_commit === null ? [] : [job.base_commit])];
  const own: RunRepository = {
    folder,
    git: run,
    write: async (files) => {
      for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    },
    commit: async (files) => {
      await own.write(files);
      await run("add", "--all");
      await run("commit", "--quiet", "--message", "made in the run");
      return run("rev-parse", "HEAD");
    },
    files: async () => {
      const env = { GIT_INDEX_FILE: join(folder, ".git", "files-index") };
      await git(["read-tree", "HEAD"], { cwd: folder, env });
      await git(["add", "--all"], { cwd: folder, env });
      const tree = await git(["write-tree"], { cwd: folder, env });
      return run("commit-tree", tree, "-p", "HEAD", "-m", "files");
    },
    work: async (files = null) => {
      const branch = await run("rev-parse", job.branch);
      const head = await run("rev-parse", "HEAD");
      const tips = [branch, head, ...(files === null ? [] : [files])];
      const has = await Promise.all(known.map((oid) => hasCommit(folder, oid)));
      const left = known.filter((_oid, index) => has[index]);
      const revs = [...tips, ...left.map((oid) => `^${oid}`), ""].join("\n");
      const line = Buffer.from(`omoi ${branch} ${head} ${files ?? "-"}\n`);
      const listed = execFileSync("git", ["rev-list", "--max-count=1", "--stdin"], {
        cwd: folder,
        input: revs,
      });
      if (listed.length === 0) return line;
      const pack = execFileSync("git", ["pack-objects", "--revs", "--stdout", "-q"], {
        cwd: folder,
        input: revs,
        maxBuffer: 64 * 1024 * 1024,
      });
      return Buffer.concat([line, pack]);
    },
    send: async (hasEnded, files = null, by = runner) => {
      const body = await own.work(files);
      const answer = await by.send<WorkReceipt & Problem>(
        "POST",
        ofRun(job.run_id, `work?ended=${hasEnded}`),
        { body, type: WORK_TYPE },
      );
      if (answer.status === 200) known = [...new Set([...known, ...answer.body.known])];
      return answer;
    },
    dispose: () => rm(folder, { recursive: true, force: true }),
  };
  return own;
}

async function hasCommit(cwd: string, oid: string): Promise<boolean> {
  const { code }: GitResult = await runGit(["cat-file", "-e", `${oid}^{commit}`], { cwd });
  return code === 0;
}
