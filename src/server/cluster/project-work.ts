import type { ChangeFeed } from "../db/cache/changes.js";
import type { Database } from "../db/connection/connect.js";
import { homeUnavailable } from "../errors.js";
import { readHome } from "./home-of.js";

/** Work of this process on the disk of its projects. */
export interface ProjectWork {
  /**
   * Counts work on a project until the returned function is called.
   * @param abort ends work that only reads, such as a stream of events, when the project leaves this node
   */
  begin(projectId: string, abort?: () => void): () => void;
  /**
   * Rejects with 503 `home_unavailable` if one of the ids, of projects or agents, is of a project that has left.
   * Without one that has left it costs nothing.
   */
  require(ids: readonly string[]): Promise<void> | void;
}

/** Time for which work that only reads may go on. */
const READ_MS = 3000;

interface Work {
  readonly abort: (() => void) | undefined;
  /** Called at its end. */
  readonly waiting: (() => void)[];
}

const WRITES = "writes:";
/** The subject of `drainAll` for the writes on a project that are in progress, while it stays in use. */
export const writesOn = (projectId: string): string => WRITES + projectId;

/**
 * Follows the work on projects, so that a project can leave this node: `drainAll` of any process of the node, with
 * the project's id, makes this process refuse new work on it, and answers when none is left. With `writesOn` it is
 * answered when the writes that are in progress have ended; others may begin.
 */
export function followProjectWork(
  db: Pick<Database, "withSystem"> & { changes: Pick<ChangeFeed, "onDrain"> },
  nodeId: string,
): ProjectWork {
  const working = new Map<string, Set<Work>>();
  const waiting = new Map<string, Set<() => void>>();
  /** The projects of ids, of projects and their agents, that have left this node. */
  const left = new Map<string, string>();

  const drained = async (projectId: string): Promise<void> => {
    if (!working.has(projectId)) return;
    const abortReads = setTimeout(() => {
      for (const { abort } of working.get(projectId) ?? []) abort?.();
    }, READ_MS);
    await new Promise<void>((resolve) => {
      const all = waiting.get(projectId) ?? new Set();
      waiting.set(projectId, all.add(resolve));
    });
    clearTimeout(abortReads);
  };

  const written = async (projectId: string): Promise<void> => {
    const writes = [...(working.get(projectId) ?? [])].filter(({ abort }) => abort === undefined);
    await Promise.all(
      writes.map((work) => new Promise<void>((resolve) => work.waiting.push(resolve))),
    );
  };

  db.changes.onDrain(async (subject) => {
    if (subject.startsWith(WRITES)) return written(subject.slice(WRITES.length));
    const projectId = subject;
    const ids = await db.withSystem("find the agents of a project", (tx) =>
      tx.execute<{ id: string }>(`select id from agents where project_id = '${projectId}'`),
    );
    for (const id of [projectId, ...ids.rows.map(({ id }) => id)]) left.set(id, projectId);
    await drained(projectId);
  });

  /** Asks the database, because a project may have come back. */
  const requireHere = async (projectId: string): Promise<void> => {
    const home = await db.withSystem("find the home of a project", (tx) => readHome(tx, projectId));
    if (home !== nodeId) throw homeUnavailable();
    for (const [id, project] of left) if (project === projectId) left.delete(id);
  };

  return {
    begin: (projectId, abort) => {
      const work: Work = { abort, waiting: [] };
      const all = working.get(projectId) ?? new Set();
      working.set(projectId, all.add(work));
      return () => {
        if (!all.delete(work)) return;
        for (const resolve of work.waiting) resolve();
        if (all.size > 0) return;
        working.delete(projectId);
        for (const resolve of waiting.get(projectId) ?? []) resolve();
        waiting.delete(projectId);
      };
    },
    require: (ids) => {
      if (left.size === 0) return;
      const gone = new Set(ids.flatMap((id) => left.get(id) ?? []));
      if (gone.size === 0) return;
      return Promise.all([...gone].map(requireHere)).then(() => undefined);
    },
  };
}

/** Returns the ids in the keys of locks. */
export const idsInKeys = (keys: readonly string[]): string[] =>
  keys.flatMap((key) => key.match(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g) ?? []);
