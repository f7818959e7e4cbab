import type { QueryClient } from "@tanstack/react-query";
import type { ChangedFile, Changes } from "#shared/api/work/reviews.js";
import { filePatchesQuery } from "../../../../../api/queries/work/reviews.js";

/** Lines and files that are read at once. */
const MAX_LINES = 400;
const MAX_FILES = 20;

/** Whether the lines of a file are still to be read. */
export function isUnread({ patch, binary, truncated, additions, deletions }: ChangedFile): boolean {
  return patch === null && !binary && !truncated && (additions ?? 0) + (deletions ?? 0) > 0;
}

/** Reads the lines of files that the list came without. */
export interface FileLines {
  /** Returns the file with its lines; null while they are not read. */
  known: (file: ChangedFile) => ChangedFile | null;
  read: (file: ChangedFile) => Promise<ChangedFile>;
  query: (file: ChangedFile) => ReturnType<typeof filePatchesQuery>;
}

export function fileLinesOf(
  changes: Changes,
  isWithoutSpace: boolean,
  queries: QueryClient,
): FileLines {
  const groups = groupsOf(changes.files);
  const query = ({ path }: ChangedFile): ReturnType<typeof filePatchesQuery> =>
    filePatchesQuery({
      changes,
      isWithoutSpace,
      ...(groups.get(path) ?? { path, count: 1 }),
    });
  return {
    query,
    known: (file) =>
      isUnread(file) ? (queries.getQueryData(query(file).queryKey)?.get(file.path) ?? null) : file,
    read: async (file) => {
      if (!isUnread(file)) return file;
      const found = (await queries.ensureQueryData(query(file))).get(file.path);
      return found ?? { ...file, truncated: true };
    },
  };
}

/** Groups neighboring files whose lines are read at once, by each of their paths. */
export function groupsOf(
  files: readonly ChangedFile[],
): ReadonlyMap<string, { path: string; count: number }> {
  const groups = new Map<string, { path: string; count: number }>();
  let group: { path: string; count: number } | null = null;
  let lines = 0;
  for (const file of files) {
    const own = (file.additions ?? 0) + (file.deletions ?? 0);
    if (!isUnread(file)) {
      group = null;
      continue;
    }
    if (group === null || group.count === MAX_FILES || lines + own > MAX_LINES) {
      group = { path: file.path, count: 0 };
      lines = 0;
    }
    group.count += 1;
    lines += own;
    groups.set(file.path, group);
  }
  return groups;
}
