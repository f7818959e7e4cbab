/** Repositories in a temporary folder, with commits of literal files. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initBare } from "#git/store/bare-repository.js";
import { git } from "#git/process/run.js";

/** The content of a regular file, or mode and data (a target, a commit id) of other entries. */
export type Entry = string | Uint8Array | { mode: "100755" | "120000" | "160000"; data: string };
/** A whole tree: path → entry. */
export type Files = Readonly<Record<string, Entry>>;

let clock = 1_700_000_000;

/** Creates a temporary folder with an empty repository; `dispose` removes both. */
export async function testRepository(): Promise<{
  root: string;
  repoPath: string;
  dispose: () => Promise<void>;
}> {
  const root = await mkdtemp(join(tmpdir(), "omoi-git-"));
  const repoPath = join(root, "project.git");
  await initBare(repoPath, "main");
  return { root, repoPath, dispose: () => rm(root, { recursive: true, force: true }) };
}

/** Writes a commit with exactly `files` and returns its id. Commit dates are one second apart. */
export async function commitFiles(
  repoPath: string,
  parents: readonly string[],
  files: Files,
  message = "test",
): Promise<string> {
  clock += 1;
  const parts: Buffer[] = [];
  const put = (text: string): number => parts.push(Buffer.from(text));
  put("commit refs/test/scratch\nmark :1\n");
  put(`committer Test <test@example.org> ${clock} +0000\n`);
  put(`data ${Buffer.byteLength(message)}\n${message}\n`);
  for (const [index, parent] of parents.entries()) {
    put(`${index === 0 ? "from" : "merge"} ${parent}\n`);
  }
  put("deleteall\n");
  for (const [path, entry] of Object.entries(files)) {
    const plain = typeof entry === "string" || entry instanceof Uint8Array;
    const mode = plain ? "100644" : entry.mode;
    const data = Buffer.from(plain ? (entry as string) : entry.data);
    const quoted = `"${path.replaceAll(/["\\]/g, "\\$&").replaceAll("\n", "\\n")}"`;
    if (mode === "160000") {
      put(`M ${mode} ${data.toString()} ${quoted}\n`);
    } else {
      put(`M ${mode} inline ${quoted}\ndata ${data.length}\n`);
      parts.push(data);
      put("\n");
    }
  }
  put(
    "\nget-mark :1\nreset refs/test/scratch\nfrom 0000000000000000000000000000000000000000\n\ndone\n",
  );
  const args = ["fast-import", "--quiet", "--force", "--done", "--date-format=raw"];
  const { stdout } = await git(args, { gitDir: repoPath, input: Buffer.concat(parts) });
  return stdout.toString("latin1").trim();
}

/**
 * Reads the files of a commit or tree: path → content; links as `-> target`, gitlinks as `@ id`.
 */
export async function readFiles(
  repoPath: string,
  treeish: string,
): Promise<Record<string, string>> {
  const { stdout } = await git(["ls-tree", "-r", "-z", treeish], { gitDir: repoPath });
  const files: Record<string, string> = {};
  for (const line of stdout.toString("utf8").split("\0").filter(Boolean)) {
    const [head = "", path = ""] = line.split("\t");
    const [mode, , oid = ""] = head.split(" ");
    if (mode === "160000") {
      files[path] = `@ ${oid}`;
      continue;
    }
    const blob = (await git(["cat-file", "blob", oid], { gitDir: repoPath })).stdout.toString(
      "latin1",
    );
    files[path] = mode === "120000" ? `-> ${blob}` : mode === "100755" ? `x ${blob}` : blob;
  }
  return files;
}
