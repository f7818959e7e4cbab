import { useQueryClient } from "@tanstack/react-query";
import { type ReactElement, useMemo, useState } from "react";
import type { DiffFile } from "#shared/api/code/commits.js";
import type { ChangedFile, Changes } from "#shared/api/work/reviews.js";
import type { Thread } from "#shared/api/work/threads.js";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import { useEventCallback } from "../../../../hooks/use-event-callback.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { EmptyState } from "../../../../ui/feedback/states.js";
import { useAfterFirstPaint } from "../../../../ui/layout/deferred-render.js";
import { countOf } from "../../../../ui/text/number.js";
import { fillingScreen } from "../../../code/parts/diffs/diff-browser.js";
import { expectedHeight } from "../../../code/parts/diffs/patch-pieces.js";
import type { ReviewDraft } from "./draft/use-review-draft.js";
import type { PendingComment } from "./draft/pending-review.js";
import { FileGroups } from "./files/file-groups.js";
import { FileNav } from "./files/file-nav.js";
import { fileLinesOf } from "./files/file-lines.js";
import { patchOf } from "./files/file-patches.js";
import { ReviewFile } from "./files/review-file.js";
import { useReviewCursor } from "./keys/use-review-cursor.js";
import { useReviewKeys } from "./keys/use-review-keys.js";
import { ReviewChecks } from "./review-checks.js";
import { ReviewScopeProvider } from "./review-scope.js";
import { ReviewToolbar, type ReviewView } from "./review-toolbar.js";
import { ChangeSearch } from "./search/change-search.js";
import { TalkList } from "./threads/line-talk.js";
import { type Talk, talkOf } from "./threads/talk.js";
import { ThreadList } from "./threads/thread-list.js";
import { useReviewScopeValue } from "./use-review-scope-value.js";
import { useViewed } from "./use-viewed.js";

interface ReviewBrowserProps {
  task: Task;
  attempt: Attempt;
  changes: Changes;
  threads: readonly Thread[];
  draft: ReviewDraft;
  /** Why the viewer may not review. */
  reason: string | undefined;
  hasReviewed: boolean;
  view: ReviewView;
}

const noComments: readonly PendingComment[] = [];

/** The changes of a task with what is said in them: read, comment, and mark files as seen. */
export function ReviewBrowser(props: ReviewBrowserProps): ReactElement {
  const { task, changes, threads, draft, reason, view } = props;
  const queries = useQueryClient();
  const [filter, setFilter] = useState("");
  /** Files that the viewer opened or closed by hand; others are closed if they are seen or generated. */
  const [byHand, setByHand] = useState<ReadonlyMap<string, boolean>>(() => new Map());
  const isOpen = (file: ChangedFile): boolean =>
    byHand.get(file.path) ?? !(file.viewed || file.generated);
  const setOpen = (paths: readonly string[], isNowOpen: boolean | undefined): void =>
    setByHand((before) => {
      const next = new Map(before);
      for (const path of paths)
        if (isNowOpen === undefined) next.delete(path);
        else next.set(path, isNowOpen);
      return next;
    });
  const ids = useMemo(
    () => new Map(changes.files.map(({ path }, at) => [path, `file-${at}`])),
    [changes],
  );
  const idOf = (path: string): string => ids.get(path) ?? "";
  const files = useMemo(() => {
    const wanted = filter.trim().toLowerCase();
    return changes.files.filter(({ path }) => path.toLowerCase().includes(wanted));
  }, [changes, filter]);
  const pending = draft.review?.attemptId === props.attempt.id ? draft.review.comments : noComments;
  const isBase = changes.since.kind === "base";
  const { byPath, elsewhere } = useMemo(
    () => talkOf(changes.files, threads, pending, isBase),
    [changes, threads, pending, isBase],
  );
  const lines = useMemo(
    () => fileLinesOf(changes, view.isWithoutSpace, queries),
    [changes, view.isWithoutSpace, queries],
  );
  const [isTime, hurry] = useAfterFirstPaint();
  const cursor = useReviewCursor(
    files.map((file) => ({
      path: file.path,
      id: idOf(file.path),
      isOpen: isOpen(file),
      hunks: () => {
        const known = lines.known(file);
        return known ? patchOf(known).hunks : lines.read(file).then((read) => patchOf(read).hunks);
      },
    })),
    hurry,
  );
  const markViewed = useViewed(task, props.attempt, changes);
  const tickFile = useEventCallback(({ path }: DiffFile, isViewed: boolean) => {
    setOpen([path], undefined);
    markViewed(path, isViewed);
  });
  const openFile = useEventCallback(({ path }: DiffFile, isNowOpen: boolean) =>
    setOpen([path], isNowOpen),
  );
  const scope = useReviewScopeValue({
    ...props,
    lines,
    talk: byPath,
    pending,
    cursor,
    openPath: (path) => {
      setOpen([path], true);
      if (!files.some((file) => file.path === path)) setFilter("");
    },
    hurry,
    queries,
  });
  useReviewKeys({ files, cursor, scope, isOpen, setOpen, tickFile, task });
  const section = (file: ChangedFile): ReactElement => {
    const talk = byPath.get(file.path);
    const spoken = talk ? [...talk.lines] : [];
    const count = [talk?.file, ...spoken.map(([, each]) => each)].reduce(
      (sum, each) => sum + (each ? each.threads.length + each.pending.length : 0),
      0,
    );
    return (
      <ReviewFile
        key={file.path}
        id={idOf(file.path)}
        file={file}
        mode={view.mode}
        isOpen={isOpen(file)}
        onOpen={openFile}
        onViewed={tickFile}
        talkLines={spoken.map(([key]) => key).join(" ")}
        talkCount={count}
        canMark={reason === undefined}
      />
    );
  };
  const isAllClosed = files.every((file) => !isOpen(file));
  const hasTree = changes.files.length > 1;
  const isWide = view.isFull !== false;
  const closed = new Set(files.filter((file) => !isOpen(file)).map(({ path }) => path));
  return (
    <ReviewScopeProvider value={scope}>
      <ReviewToolbar
        {...view}
        changes={changes}
        hasReviewed={props.hasReviewed}
        isAllClosed={isAllClosed}
        onAllClosed={(isNowClosed) =>
          setOpen(
            files.map(({ path }) => path),
            !isNowClosed,
          )
        }
      >
        <Remarks changes={changes} />
      </ReviewToolbar>
      {changes.files.length > 0 && <ChangeSearch isWithoutSpace={view.isWithoutSpace} />}
      {view.isFull !== undefined && <ReviewChecks task={task} attempt={props.attempt} />}
      <ThreadList threads={threads} />
      <Elsewhere talk={elsewhere} />
      {changes.files.length === 0 ? (
        <NoChanges changes={changes} />
      ) : (
        <div
          className={`grid items-start gap-4 ${isWide && hasTree ? "xl:grid-cols-[18rem_minmax(0,1fr)]" : ""}`}
        >
          {hasTree && (
            <FileNav
              files={files}
              all={changes.files.length}
              filter={filter}
              onFilter={setFilter}
              isBeside={isWide}
              onChoose={({ path }) =>
                cursor.goToFile({ path, id: idOf(path), isOpen: true, hunks: () => [] })
              }
            />
          )}
          <div data-long="" className="flex min-w-0 flex-col gap-4">
            <FileGroups
              files={isTime ? files : fillingScreen(files, closed)}
              heightOf={(file) => (isOpen(file) ? expectedHeight(file, view.mode) : 0)}
              section={section}
            />
          </div>
        </div>
      )}
    </ReviewScopeProvider>
  );
}

function Elsewhere({ talk }: { talk: Talk }): ReactElement | null {
  return talk.threads.length + talk.pending.length > 0 ? (
    <section aria-label="Threads on other files" className="flex flex-col gap-2">
      <h3 className="text-[13px] text-muted">On files that this comparison doesn't show</h3>
      <TalkList talk={talk} withPlace />
    </section>
  ) : null;
}

function NoChanges({ changes }: { changes: Changes }): ReactElement {
  return (
    <EmptyState title="No changes">
      {changes.since.kind === "base"
        ? `The files are those of ${changes.target_branch}.`
        : "Nothing has changed since your last review."}
    </EmptyState>
  );
}

/** What the reader should know of the comparison. */
function Remarks({ changes }: { changes: Changes }): ReactElement {
  const { since, stats, files } = changes;
  return (
    <>
      {since.kind !== "base" && !since.complete && (
        <Alert tone="warn">Changes of {changes.target_branch} may be among these.</Alert>
      )}
      {files.length < stats.files_changed && (
        <Alert tone="warn">
          Only the first {countOf(files.length, "file")} are listed; fetch the branch to see all of
          them.
        </Alert>
      )}
    </>
  );
}
