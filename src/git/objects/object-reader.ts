/** Looking objects up in a repository without starting git for each question. */
import { PersistentGitPool } from "../process/persistent-git-process.js";

/** An object by the name it was asked for. */
export interface FoundObject {
  oid: string;
  type: string;
  /** Bytes of its content. */
  size: number;
  /** Null where only its kind was asked for. */
  content: Buffer | null;
}

interface Question {
  names: readonly string[];
  what: "contents" | "info";
  found: (FoundObject | null)[];
}

/** `git cat-file --batch-command`. */
const readers = new PersistentGitPool<Question, (FoundObject | null)[]>({
  args: ["cat-file", "--batch-command", "--buffer", "-Z"],
  write({ names, what }) {
    const text = names.map((name) => `${what} ${name}\0`).join("");
    // All answers at once: each by itself is a piece to wake up for.
    return Buffer.from(`${text}flush\0`, "latin1");
  },
  read(bytes, at, { names, what, found }) {
    const end = bytes.indexOf(0, at);
    if (end < 0) return { needs: bytes.length - at + 1 };
    const [, oid, type, size] =
      /^([0-9a-f]{40}) (\w+) (\d+)$/.exec(bytes.toString("latin1", at, end)) ?? [];
    let next = end + 1;
    if (oid === undefined || type === undefined) {
      found.push(null);
    } else if (what === "contents") {
      next += Number(size) + 1;
      if (next > bytes.length) return { needs: next - at };
      // A copy, so that what is kept of it does not keep all that came with it.
      found.push({
        oid,
        type,
        size: Number(size),
        content: Buffer.from(bytes.subarray(end + 1, next - 1)),
      });
    } else {
      found.push({ oid, type, size: Number(size), content: null });
    }
    return found.length === names.length ? { next, answer: found } : { next };
  },
});

/** Ends the git that answers for a repository: to be called before that is removed. */
export function endReader(repoPath: string): Promise<void> {
  return readers.end(repoPath);
}

/**
 * Finds objects by their names as git understands them (`<commit>:folder/`, `refs/heads/main^{commit}`),
 * in their order; null for those that are not there. Names are bytes in latin1 strings, without NUL. One
 * git answers for a repository as long as it is asked, and a name is looked up when it is asked for: what
 * was stored or moved before is seen.
 *
 * Throws a GitError.
 */
export async function readObjects(
  repoPath: string,
  names: readonly string[],
  what: "contents" | "info",
): Promise<(FoundObject | null)[]> {
  return names.length === 0 ? [] : readers.ask(repoPath, { names, what, found: [] });
}
