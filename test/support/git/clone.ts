import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestPerson } from "../server/app.js";
import { git, runGit, type GitResult } from "./git.js";

const identity = {
  GIT_AUTHOR_NAME: "Ann",
  GIT_AUTHOR_EMAIL: "ann@example.com",
  GIT_COMMITTER_NAME: "Ann",
  GIT_COMMITTER_EMAIL: "ann@example.com",
};

/** A person's clone of a project. */
export interface Clone {
  folder: string;
  /** Runs git in the clone; rejects if git fails. */
  git(...args: string[]): Promise<string>;
  /** Runs `git push origin …` and returns its result. */
  push(...args: string[]): Promise<GitResult>;
  /** Writes files and commits them; returns the commit id. */
  commit(files: Record<string, string>, message?: string): Promise<string>;
}

/** Creates clones, each in its own folder; `dispose` removes them all. */
export async function openCloneFactory(): Promise<{
  clone: (url: string, key: string, ...args: string[]) => Promise<Clone>;
  dispose: () => Promise<void>;
}> {
  const root = await mkdtemp(join(tmpdir(), "omoi-clones-"));
  let count = 0;
  return {
    clone: async (url, key, ...args) => {
      const folder = join(root, `clone-${(count += 1)}`);
      await git(["clone", "--quiet", ...args, withKey(url, key), folder]);
      return cloneAt(folder);
    },
    dispose: () => rm(root, { recursive: true, force: true }),
  };
}

/** Adds a key to a URL as the password. */
export const withKey = (url: string, key: string): string => url.replace("://", `://x:${key}@`);

export async function createGitKey(
  person: Pick<TestPerson, "api">,
  scopes = ["*:*"],
): Promise<string> {
  return (await person.api.apiKeys.create({ body: { name: "git", scopes } })).data.key as string;
}

function cloneAt(folder: string): Clone {
  const options = { cwd: folder, env: identity };
  const inFolder = (...args: string[]) => git(args, options);
  return {
    folder,
    git: inFolder,
    push: (...args) => runGit(["push", "origin", ...args], options),
    commit: async (files, message = "work") => {
      for (const [path, text] of Object.entries(files)) {
        await mkdir(dirname(join(folder, path)), { recursive: true });
        await writeFile(join(folder, path), text);
      }
      await inFolder("add", "--all");
      await inFolder("commit", "--quiet", "--message", message);
      return inFolder("rev-parse", "HEAD");
    },
  };
}
