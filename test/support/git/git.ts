import { execFile } from "node:child_process";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { storageIn } from "#server/data-folder/storage.js";
import type { Project } from "#shared/api/code/projects.js";
import type { TestApp } from "../server/app.js";

export interface GitResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs the real git as a person would, without this machine's configuration. */
export function runGit(
  args: readonly string[],
  { cwd = tmpdir(), env = {} }: { cwd?: string; env?: Record<string, string> } = {},
): Promise<GitResult> {
  const clean = {
    PATH: process.env["PATH"],
    HOME: "/nonexistent",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_TERMINAL_PROMPT: "0",
    LC_ALL: "C",
  };
  return new Promise((resolve) => {
    const options = { cwd, env: { ...clean, ...env }, maxBuffer: 64 * 1024 * 1024 };
    execFile("git", args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ code, stdout, stderr });
    });
  });
}

/**
 * Same as `runGit` for commands that must succeed; returns the output without the trailing newline.
 */
export async function git(
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<string> {
  const { code, stdout, stderr } = await runGit(args, options);
  if (code !== 0) throw new Error(`git ${args.join(" ")} exited ${code}: ${stderr}`);
  return stdout.replace(/\n$/, "");
}

/** Returns the path of a project's bare repository. */
export function repoPathOf(
  app: Pick<TestApp, "dataDir">,
  project: Pick<Project, "id" | "organization_id">,
): string {
  return storageIn(app.dataDir).repository(project.organization_id, project.id);
}

/** Runs git in a project's repository, bypassing the API. */
export function gitInRepository(
  app: Pick<TestApp, "dataDir">,
  project: Pick<Project, "id" | "organization_id">,
  ...args: string[]
): Promise<string> {
  return git(["--git-dir", repoPathOf(app, project), ...args]);
}

const identity = {
  GIT_AUTHOR_NAME: "Ann",
  GIT_AUTHOR_EMAIL: "ann@example.com",
  GIT_COMMITTER_NAME: "Ann",
  GIT_COMMITTER_EMAIL: "ann@example.com",
};

/** Creates a temporary folder; the caller removes it. */
export const makeTempFolder = (): Promise<string> => mkdtemp(join(tmpdir(), "omoi-source-"));

/** Creates a repository with one commit on `main` at `folder`. */
export async function makeRepository(folder: string, files: Record<string, string>): Promise<void> {
  await mkdir(folder, { recursive: true });
  await git(["init", "--quiet", "--initial-branch=main", folder]);
  await commitToRepository(folder, files);
}

/** Commits files there; `date` is the claimed commit date. */
export async function commitToRepository(
  folder: string,
  files: Record<string, string>,
  date = "2024-01-01T00:00:00Z",
): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  const env = { ...identity, GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date };
  await git(["add", "--all"], { cwd: folder, env });
  await git(["commit", "--quiet", "--message", "work"], { cwd: folder, env });
}
