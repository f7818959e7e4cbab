import type { ReactElement } from "react";
import type { ChangedFile } from "#shared/api/work/reviews.js";

/** Height of a file's header with the gap below it; pixels. */
const headerHeight = 58;
/** Neighboring files that the browser lays out and paints together, once they are near. */
const groupSize = 8;

function groupsOfFiles(files: readonly ChangedFile[]): ChangedFile[][] {
  const groups: ChangedFile[][] = [];
  for (let at = 0; at < files.length; at += groupSize) groups.push(files.slice(at, at + groupSize));
  return groups;
}

/** The sections of files, of which the browser lays out those that are near alone. */
export function FileGroups({
  files,
  heightOf,
  section,
}: {
  files: readonly ChangedFile[];
  /** Returns about the height of a file below its header; pixels. */
  heightOf: (file: ChangedFile) => number;
  section: (file: ChangedFile) => ReactElement;
}): ReactElement[] {
  return groupsOfFiles(files).map((group) => {
    const height = group.reduce((sum, file) => sum + headerHeight + heightOf(file), 0);
    return (
      <div
        key={group[0]?.path}
        className="-m-1 flex min-w-0 flex-col gap-4 p-1 [content-visibility:auto]"
        style={{ containIntrinsicBlockSize: `auto ${height}px` }}
      >
        {group.map(section)}
      </div>
    );
  });
}
