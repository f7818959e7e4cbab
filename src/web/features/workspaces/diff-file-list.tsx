import type { ReactElement } from "react";
import type { DiffFile } from "#shared/api/workspaces.js";
import { PlainText } from "../../ui/plain-text.js";
import { LineCounts } from "./file-status.js";

/** The files of a diff; each leads to its section. */
export function DiffFileList({ files }: { files: readonly DiffFile[] }): ReactElement {
  return (
    <nav
      aria-label="Files"
      className="max-h-64 overflow-y-auto rounded-lg border border-line bg-surface p-1.5 xl:sticky xl:top-18 xl:max-h-[calc(100dvh-6rem)]"
    >
      <ul>
        {files.map((file, index) => (
          <li key={file.path}>
            <a
              href={`#file-${index}`}
              onClick={(event) => {
                // Not through the address, whose fragments belong to the router.
                event.preventDefault();
                const section = document.getElementById(`file-${index}`);
                section?.scrollIntoView();
                section?.focus({ preventScroll: true });
              }}
              className="flex items-start justify-between gap-3 rounded-md px-2 py-1 hover:bg-sunken"
            >
              <PlainText value={file.path} className="min-w-0 font-mono text-xs leading-5" />
              {!file.binary && <LineCounts additions={file.additions} deletions={file.deletions} />}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}
