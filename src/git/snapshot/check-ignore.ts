/** Asks git which paths `.gitignore` excludes. */
import { GitError, spawnGit, type GitOptions } from "../process/run.js";

/** A running `git check-ignore`. */
export interface IgnoreChecker {
  /**
   * Returns the paths that git would ignore if they were untracked. Paths are latin1 bytes; a
   * folder has no trailing slash. One call at a time.
   * @throws GitError
   */
  among(paths: readonly string[]): Promise<Set<string>>;
  close(): Promise<void>;
}

/** Starts the process; close it. */
export function startIgnoreChecker(options: GitOptions): IgnoreChecker {
  const args = ["check-ignore", "-z", "--stdin", "--no-index", "--verbose", "--non-matching"];
  const child = spawnGit(args, {
    ...options,
    literalPaths: false,
    stdin: "pipe",
    okExitCodes: [0, 1],
  });
  const answers = records(child.stdout);
  return {
    among: async (paths) => {
      const ignored = new Set<string>();
      child.stdin?.write(Buffer.from(paths.map((path) => `./${path}\0`).join(""), "latin1"));
      for (let left = paths.length; left > 0; left -= 1) {
        const { value: answer } = await answers.next();
        if (answer === undefined) {
          await child.done;
          throw new GitError("exit", 0, "it ended before it had answered", args);
        }
        const [, , pattern = "", path = ""] = answer;
        if (pattern !== "" && !pattern.startsWith("!")) ignored.add(path.slice("./".length));
      }
      return ignored;
    },
    close: async () => {
      child.stdin?.end();
      child.stdout.resume();
      await child.done.catch(() => undefined);
    },
  };
}

/** Parses the output of `--verbose -z`: source, line, pattern and path, each NUL-terminated. */
async function* records(output: AsyncIterable<Buffer>): AsyncGenerator<string[], undefined> {
  let rest = "";
  let fields: string[] = [];
  for await (const chunk of output) {
    const parts = (rest + chunk.toString("latin1")).split("\0");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      fields.push(part);
      if (fields.length < 4) continue;
      yield fields;
      fields = [];
    }
  }
  return undefined;
}
