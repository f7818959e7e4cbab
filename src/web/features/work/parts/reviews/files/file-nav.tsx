import type { ReactElement } from "react";
import type { DiffFile } from "#shared/api/code/commits.js";
import type { ChangedFile } from "#shared/api/work/reviews.js";
import { controlClass } from "../../../../../ui/fields/field.js";
import { countOf } from "../../../../../ui/text/number.js";
import { FileTreeNav } from "../../../../code/parts/diffs/files/file-tree-nav.js";

interface FileNavProps {
  /** Those that the filter leaves. */
  files: readonly ChangedFile[];
  /** Number of all files. */
  all: number;
  filter: string;
  onFilter: (filter: string) => void;
  /** Whether it stands beside the files on a wide screen. */
  isBeside: boolean;
  onChoose: (file: DiffFile) => void;
}

/** The tree of the changed files with a filter. */
export function FileNav(props: FileNavProps): ReactElement {
  const { files, all, filter, isBeside } = props;
  return (
    <div className={`flex flex-col gap-2 ${isBeside ? "xl:sticky xl:top-18" : ""}`}>
      <input
        type="search"
        aria-label="Filter files by path"
        placeholder="Filter files"
        value={filter}
        onChange={({ target }) => props.onFilter(target.value)}
        className={`${controlClass} h-9`}
      />
      {filter.trim() !== "" && (
        <p className="text-[13px] text-muted">
          {files.length} of {countOf(all, "file")}
        </p>
      )}
      <FileTreeNav files={files} onChoose={props.onChoose} />
    </div>
  );
}
