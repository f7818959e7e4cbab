import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { asApiError } from "../../../../api/client.js";
import { Button } from "../../../../ui/actions/button.js";
import { countOf } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { FileStatus, LineCounts } from "../../../code/parts/diffs/files/file-status.js";
import { changesQuery } from "../../../../api/queries/code/workspaces.js";

/** Maximum files shown; the merge preview shows the rest. */
const maxFiles = 200;

/** As high as the collapsed list, to avoid a layout shift. */
const line = "rounded-md border border-line px-3 py-2 text-muted";

/** "3 unmerged files", expandable to a list. */
export function PendingChanges({ agentId, base }: { agentId: string; base: string }): ReactElement {
  const changes = useQuery(changesQuery(agentId));
  if (changes.isPending) {
    return (
      <p className={line}>
        Comparing with <PlainText value={base} />…
      </p>
    );
  }
  if (changes.isError) {
    return (
      <p className={`${line} flex flex-wrap items-center gap-2`}>
        {asApiError(changes.error).message}
        <Button size="sm" icon="retry" onClick={() => void changes.refetch()}>
          Retry
        </Button>
      </p>
    );
  }
  const { files, stats } = changes.data;
  if (stats.files_changed === 0) {
    return (
      <p className={line}>
        Everything is merged into <PlainText value={base} />.
      </p>
    );
  }
  return (
    <details className="rounded-md border border-line">
      <summary className="flex flex-wrap items-center gap-x-3 px-3 py-2 font-medium before:mr-0 before:text-muted before:content-['▸'] in-open:before:content-['▾']">
        {countOf(stats.files_changed, "unmerged file")}
        <LineCounts additions={stats.additions} deletions={stats.deletions} />
      </summary>
      <ul className="max-h-80 divide-y divide-line overflow-y-auto border-t border-line">
        {files.slice(0, maxFiles).map((file) => (
          <li
            key={file.path}
            className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1 px-3 py-1.5"
          >
            <PlainText value={file.path} className="min-w-0 font-mono text-[13px]" />
            <span className="flex items-center gap-3">
              {file.binary ? (
                <span className="text-[13px] text-muted">Binary</span>
              ) : (
                <LineCounts additions={file.additions} deletions={file.deletions} />
              )}
              <FileStatus status={file.status} />
            </span>
          </li>
        ))}
        {files.length > maxFiles && (
          <li className="px-3 py-1.5 text-muted">
            and {countOf(files.length - maxFiles, "more", "more")}
          </li>
        )}
      </ul>
    </details>
  );
}
