import { type ReactElement, useMemo } from "react";
import type { DiffFile } from "#shared/api/diffs.js";
import { PlainText } from "../../ui/plain-text.js";
import { FileStatus, LineCounts } from "./file-status.js";
import { fileTree, type FolderNode } from "./file-tree.js";

interface FileTreeNavProps {
  files: readonly DiffFile[];
  onChoose: (file: DiffFile) => void;
}

/** The files of a diff by their folders; each leads to its section. */
export function FileTreeNav({ files, onChoose }: FileTreeNavProps): ReactElement {
  const tree = useMemo(() => fileTree(files), [files]);
  return (
    <nav
      aria-label="Files"
      className="max-h-64 overflow-y-auto rounded-lg border border-line bg-surface p-1.5 xl:max-h-[calc(100dvh-12rem)]"
    >
      {files.length === 0 ? (
        <p className="px-2 py-1 text-muted">No file's path holds that.</p>
      ) : (
        <Folder folder={tree} onChoose={onChoose} />
      )}
    </nav>
  );
}

const row = "flex w-full items-start gap-2 rounded-md px-2 py-1 text-left hover:bg-sunken";

function Folder({
  folder,
  onChoose,
}: {
  folder: FolderNode<DiffFile>;
  onChoose: FileTreeNavProps["onChoose"];
}): ReactElement {
  return (
    <ul>
      {folder.folders.map((inner) => (
        <li key={inner.path}>
          <details open>
            <summary
              className={`${row} text-muted before:w-3 before:shrink-0 before:text-center before:text-[10px] before:leading-5 before:content-['▸'] in-open:before:content-['▾']`}
            >
              <PlainText value={inner.name} className="min-w-0 font-mono text-xs leading-5" />
            </summary>
            <div className="ml-3.5 border-l border-line pl-1">
              <Folder folder={inner} onChoose={onChoose} />
            </div>
          </details>
        </li>
      ))}
      {folder.files.map(({ name, file }) => (
        <li key={file.path}>
          <button type="button" className={row} onClick={() => onChoose(file)}>
            <FileStatus status={file.status} isShort />
            <PlainText value={name} className="min-w-0 flex-1 font-mono text-xs leading-5" />
            {!file.binary && <LineCounts additions={file.additions} deletions={file.deletions} />}
          </button>
        </li>
      ))}
    </ul>
  );
}
