/* oxlint-disable jsx-a11y/prefer-tag-over-role, jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus -- no native element for a virtualized tree (WAI-ARIA APG); useLongList manages the focus */
import { type KeyboardEvent, type ReactElement, useMemo, useState } from "react";
import type { DiffFile } from "#shared/api/code/commits.js";
import { Icon } from "../../../../../ui/actions/icons.js";
import { useLongList } from "../../../../../ui/tables/long-list.js";
import { PlainText, visible } from "../../../../../ui/text/plain-text.js";
import { FileStatus, LineCounts } from "./file-status.js";
import { fileTree, rowsOf, type TreeRow } from "./file-tree.js";

interface FileTreeNavProps {
  files: readonly DiffFile[];
  onChoose: (file: DiffFile) => void;
}

/** Minimum size of a touch target; pixels. */
const rowHeight = 28;

/** The files of a diff by folder; each links to its section. */
export function FileTreeNav({ files, onChoose }: FileTreeNavProps): ReactElement {
  return (
    <nav aria-label="Files" className="rounded-lg border border-line bg-surface p-1.5">
      {files.length === 0 ? (
        <p className="px-2 py-1 text-muted">No file's path contains that.</p>
      ) : (
        <Tree files={files} onChoose={onChoose} />
      )}
    </nav>
  );
}

function Tree({ files, onChoose }: FileTreeNavProps): ReactElement {
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const tree = useMemo(() => fileTree(files), [files]);
  const rows = useMemo(() => rowsOf(tree, closed), [tree, closed]);
  const keys = useMemo(() => rows.map(({ key }) => key), [rows]);
  const list = useLongList(keys, rowHeight);
  const toggle = (key: string): void => {
    const next = new Set(closed);
    if (!next.delete(key)) next.add(key);
    setClosed(next);
  };
  const choose = ({ key, file }: TreeRow<DiffFile>): void => {
    if (file) onChoose(file);
    else toggle(key);
  };
  const handleKeyDown = (event: KeyboardEvent, at: number): void => {
    const { key } = event;
    const row = rows[at];
    if (row === undefined) return;
    const isToggled =
      (key === "ArrowRight" && row.isOpen === false) || (key === "ArrowLeft" && row.isOpen);
    if (key === "Enter" || key === " " || isToggled) choose(row);
    else if (key === "ArrowRight" && row.isOpen) list.go(at + 1);
    else if (key === "ArrowLeft" && row.level > 1) {
      list.go(rows.findLastIndex(({ level }, before) => before < at && level < row.level));
    } else return;
    event.preventDefault();
  };
  return (
    <div
      role="tree"
      aria-label="Files by folder"
      tabIndex={-1}
      {...list.scroller}
      // Above the files, twelve rows and half of the next one, which shows that the list scrolls.
      className="max-h-[min(21.875rem,60dvh)] overflow-y-auto xl:max-h-[calc(100dvh-12rem)]"
    >
      <div {...list.inner}>
        {list.drawn.map((at) => {
          const row = rows[at];
          return (
            row && (
              <div
                key={row.key}
                role="treeitem"
                aria-selected={false}
                aria-level={row.level}
                aria-setsize={row.siblings}
                aria-posinset={row.place}
                aria-expanded={row.isOpen}
                title={visible(row.name)}
                {...list.rowProps(at)}
                onClick={() => choose(row)}
                onKeyDown={(event) => handleKeyDown(event, at)}
                className="absolute inset-x-0 cursor-pointer rounded-md -outline-offset-2 hover:bg-sunken"
              >
                <TreeItem row={row} />
              </div>
            )
          );
        })}
      </div>
    </div>
  );
}

function TreeItem({ row }: { row: TreeRow<DiffFile> }): ReactElement {
  const { file, name, level, isOpen } = row;
  return (
    <span
      className="flex h-full items-center gap-2 pr-2"
      // Limit the indentation, so that deep names stay readable.
      style={{ paddingLeft: 8 + Math.min(level - 1, 8) * 14 }}
    >
      {file === undefined ? (
        <Icon name={isOpen ? "chevronDown" : "chevronRight"} className="!size-3 text-muted" />
      ) : (
        <FileStatus status={file.status} isShort />
      )}
      <span className={`min-w-0 flex-1 truncate ${file ? "" : "text-muted"}`}>
        <PlainText value={name} className="font-mono text-xs" />
      </span>
      {file && !file.binary && <LineCounts additions={file.additions} deletions={file.deletions} />}
    </span>
  );
}
