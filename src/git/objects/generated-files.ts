import { git } from "../process/run.js";
import { readObjects } from "./object-reader.js";

/** Lock files of package managers, which no person reads line by line. */
const LOCK_FILES =
  /(?:^|\/)(?:package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?|deno\.lock|Cargo\.lock|composer\.lock|Gemfile\.lock|poetry\.lock|uv\.lock|pdm\.lock|Pipfile\.lock|go\.sum|flake\.lock|mix\.lock|pubspec\.lock|Podfile\.lock|gradle\.lockfile|packages\.lock\.json)$/;

/**
 * Returns which paths are generated: lock files, and those with `linguist-generated` in the `.gitattributes` of the
 * commit.
 * @throws GitError
 */
export async function generatedFiles(
  repoPath: string,
  commit: string,
  paths: readonly string[],
): Promise<Set<string>> {
  const found = new Set(paths.filter((path) => LOCK_FILES.test(path)));
  if (!(await hasAttributes(repoPath, commit, paths))) return found;
  const args = ["check-attr", `--source=${commit}`, "-z", "--stdin", "linguist-generated"];
  const { stdout } = await git(args, { gitDir: repoPath, input: `${paths.join("\0")}\0` });
  const fields = stdout.toString("utf8").split("\0");
  for (let at = 0; at + 2 < fields.length; at += 3) {
    const [path = "", , value = ""] = fields.slice(at, at + 3);
    if (value === "set" || value === "true") found.add(path);
    // `-linguist-generated` shows a lock file as it is.
    if (value === "unset" || value === "false") found.delete(path);
  }
  return found;
}

/** Whether a folder of the paths has attributes; most repositories have none, and asking git takes a process. */
async function hasAttributes(
  repoPath: string,
  commit: string,
  paths: readonly string[],
): Promise<boolean> {
  const folders = new Set(
    paths.flatMap((path) => {
      const parts = path.split("/").slice(0, -1);
      return ["", ...parts.map((_, index) => `${parts.slice(0, index + 1).join("/")}/`)];
    }),
  );
  const names = [...folders].map((folder) => {
    const name = Buffer.from(`${folder}.gitattributes`, "utf8").toString("latin1");
    return `${commit}:${name}`;
  });
  const found = await readObjects(repoPath, names, "info");
  return found.some((object) => object !== null);
}
