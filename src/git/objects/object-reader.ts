/** Reads objects: loose ones here, others with persistent `git cat-file` processes. */
import { isOid } from "./oid.js";
import { readLoose, type FoundObject } from "./loose-reader.js";
import { PersistentGitPool } from "../process/persistent-git-process.js";

interface ReadRequest {
  names: readonly string[];
  what: "contents" | "info";
  found: (FoundObject | null)[];
}

/** Names of a request that are looked up among the loose objects; git reads more of them faster. */
const MAX_LOOSE = 16;

/** `git cat-file --batch-command`. */
const readers = new PersistentGitPool<ReadRequest, (FoundObject | null)[]>({
  args: ["cat-file", "--batch-command", "--buffer", "-Z"],
  write({ names, what }) {
    const text = names.map((name) => `${what} ${name}\0`).join("");
    // One flush for all replies: each flush is a separate write and wakes this process.
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
      // A copy: a view would keep the whole received buffer alive.
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

/** Stops the reader of a repository. Call it before removing the repository. */
export function stopObjectReader(repoPath: string): Promise<void> {
  return readers.end(repoPath);
}

/**
 * Reads objects by any name that git understands (`<commit>:folder/`, `refs/heads/main^{commit}`),
 * in order; null for missing objects. Names are latin1 bytes without NUL. Loose objects are read here;
 * for others one git process serves a repository while it is in use. Each name is resolved at request
 * time, so earlier writes and reference updates are visible.
 * @throws GitError
 */
export async function readObjects(
  repoPath: string,
  names: readonly string[],
  what: "contents" | "info",
): Promise<(FoundObject | null)[]> {
  const loose = names.map((name) =>
    names.length <= MAX_LOOSE && isOid(name) ? readLoose(repoPath, name) : null,
  );
  const rest = names.filter((_name, at) => loose[at] === null);
  const others =
    rest.length === 0 ? [] : await readers.request(repoPath, { names: rest, what, found: [] });
  let next = 0;
  return loose.map((object) => {
    if (object === null) return others[next++] ?? null;
    return what === "info" ? { ...object, content: null } : object;
  });
}
