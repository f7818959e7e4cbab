import { useQuery } from "@tanstack/react-query";
import { type ReactElement, type ReactNode, useState } from "react";
import type { ChangedFile } from "#shared/api/work/reviews.js";
import { fileLinesQuery } from "../../../../../../api/queries/work/reviews.js";
import { Button } from "../../../../../../ui/actions/button.js";
import { Skeleton } from "../../../../../../ui/feedback/states.js";
import { countOf } from "../../../../../../ui/text/number.js";
import type { DiffMode } from "../../../../../code/parts/diffs/diff-mode.js";
import { TextDiff } from "../../../../../code/parts/diffs/text-diff-view.js";
import { useReviewScope } from "../../review-scope.js";
import { useWithoutSpace } from "../../use-task-changes.js";
import { oldLinesOf } from "../file-patches.js";
import type { CellPair, NotebookChange } from "./notebook.js";

export const isNotebook = (path: string): boolean => /\.ipynb$/i.test(path);

interface NotebookViewProps {
  file: ChangedFile;
  mode: DiffMode;
  /** Whether the lines are shown first, because something is said at them. */
  startsWithLines: boolean;
  /** The change as lines of JSON, for comments and for files that cannot be read. */
  lines: ReactNode;
}

/** The changed cells of a notebook; its lines on demand. */
export function NotebookView(props: NotebookViewProps): ReactElement {
  const { file, mode, lines } = props;
  const [isText, setText] = useState(props.startsWithLines);
  const query = useNotebook(file, !isText);
  if (query.data === null || query.error !== null) return <>{lines}</>;
  return (
    <>
      <p className="flex flex-wrap items-center gap-x-3 border-b border-line px-3 py-1.5 text-[13px] text-muted">
        {isText ? "Lines of the notebook's file" : "Cells of the notebook"}
        <Button size="sm" variant="ghost" className="ml-auto" onClick={() => setText(!isText)}>
          {isText ? "Show cells" : "Show lines, to comment"}
        </Button>
      </p>
      {isText && lines}
      {!isText && query.data === undefined && (
        <div className="p-3">
          <Skeleton rows={3} />
        </div>
      )}
      {!isText && query.data && <Cells change={query.data} mode={mode} />}
    </>
  );
}

/** Reads the new side of a notebook, and the old one by the patch; null if one of them is none, or cut. */
function useNotebook(file: ChangedFile, isWanted: boolean) {
  const { task, attempt, changes } = useReviewScope();
  const [isWithoutSpace] = useWithoutSpace();
  const hasOld = file.old_blob_id !== null;
  const hasNew = file.blob_id !== null;
  const fresh = useQuery({
    ...fileLinesQuery(task.id, attempt.id, changes.commit_sha, file.path),
    enabled: isWanted && hasNew,
  });
  const compared = useQuery({
    queryKey: ["notebook", file.old_blob_id, file.blob_id, isWithoutSpace],
    queryFn: async (): Promise<NotebookChange | null> => {
      const { compareNotebooks } = await import("./notebook.js");
      const lines = fresh.data?.lines ?? [];
      const old = hasOld ? oldLinesOf(file, lines) : [];
      if (old === null) return null;
      return compareNotebooks(hasOld ? old.join("\n") : null, hasNew ? lines.join("\n") : null);
    },
    enabled: isWanted && (!hasNew || fresh.data !== undefined),
    staleTime: Number.POSITIVE_INFINITY,
  });
  return { data: compared.data, error: fresh.error ?? compared.error };
}

function Cells({ change, mode }: { change: NotebookChange; mode: DiffMode }): ReactElement {
  const isSame = ({ before, after }: CellPair): boolean =>
    before !== null && after !== null && JSON.stringify(before) === JSON.stringify(after);
  const changed = change.cells.filter((cell) => !isSame(cell));
  const same = change.cells.length - changed.length;
  return (
    <div className="flex flex-col divide-y divide-line">
      {changed.map((pair) => (
        <CellDiff
          key={`${pair.number} ${pair.after === null}`}
          pair={pair}
          extension={change.extension}
          mode={mode}
        />
      ))}
      {changed.length === 0 && (
        <p className="px-3 py-2 text-[13px] text-muted">
          Only data outside of the cells has changed.
        </p>
      )}
      {same > 0 && changed.length > 0 && (
        <p className="px-3 py-2 text-[13px] text-muted">{countOf(same, "unchanged cell")}</p>
      )}
    </div>
  );
}

const kinds = { code: "Code", markdown: "Text", raw: "Raw" } as const;

function CellDiff({
  pair: { before, after, number },
  extension,
  mode,
}: {
  pair: CellPair;
  extension: string;
  mode: DiffMode;
}): ReactElement {
  const [isOpen, setOpen] = useState(false);
  const kind = (after ?? before)?.kind ?? "code";
  const what = before === null ? "added" : after === null ? "removed" : "changed";
  const outputs = [before?.outputs ?? "", after?.outputs ?? ""] as const;
  return (
    <section aria-label={`Cell ${number}, ${what}`}>
      <h4 className="bg-sunken px-3 py-1 text-[13px] font-medium">
        {kinds[kind]} cell {number} <span className="font-normal text-muted">{what}</span>
      </h4>
      {before?.source === after?.source ? (
        <p className="px-3 py-2 text-[13px] text-muted">Only its outputs have changed.</p>
      ) : (
        <TextDiff
          path={kind === "code" ? `cell${extension}` : "cell.md"}
          before={before?.source ?? null}
          after={after?.source ?? null}
          mode={mode}
        />
      )}
      {outputs[0] !== outputs[1] && (
        <details
          className="border-t border-line px-3 py-1.5 text-[13px] text-muted"
          onToggle={({ currentTarget }) => setOpen(currentTarget.open)}
        >
          <summary className="flex gap-x-1.5 before:content-['▸'] in-open:before:content-['▾']">
            Outputs
          </summary>
          {isOpen && (
            <TextDiff path="outputs.txt" before={outputs[0]} after={outputs[1]} mode={mode} />
          )}
        </details>
      )}
    </section>
  );
}
