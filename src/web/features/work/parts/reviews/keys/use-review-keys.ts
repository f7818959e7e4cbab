import type { DiffFile } from "#shared/api/code/commits.js";
import type { ChangedFile } from "#shared/api/work/reviews.js";
import type { Task } from "#shared/api/work/tasks.js";
import { useShortcuts } from "../../../../../ui/overlays/shortcuts.js";
import { openReviewDialog } from "../publish/review-dialog-state.js";
import type { ReviewScope } from "../review-scope.js";
import type { useReviewCursor } from "./use-review-cursor.js";

interface ReviewKeysInput {
  files: readonly ChangedFile[];
  cursor: ReturnType<typeof useReviewCursor>;
  scope: ReviewScope;
  isOpen: (file: ChangedFile) => boolean;
  setOpen: (paths: readonly string[], isOpen: boolean) => void;
  tickFile: (file: DiffFile, isViewed: boolean) => void;
  task: Task;
}

/** The keys of a review. Without a current line or file, `c` stays the key for a new task. */
export function useReviewKeys(input: ReviewKeysInput): void {
  const { files, cursor, scope, isOpen, setOpen, tickFile, task } = input;
  const { current } = cursor;
  const currentFile = (): ChangedFile | undefined => {
    const path = cursor.currentFile()?.path;
    return files.find((file) => file.path === path);
  };
  useShortcuts("Review", [
    { key: "n", what: "Next change", run: () => cursor.stepChange(1) },
    { key: "p", what: "Previous change", run: () => cursor.stepChange(-1) },
    { key: "]", what: "Next file", run: () => cursor.stepFile(1) },
    { key: "[", what: "Previous file", run: () => cursor.stepFile(-1) },
    { key: "j", what: "Next line", run: () => cursor.stepLine(1, false) },
    { key: "k", what: "Previous line", run: () => cursor.stepLine(-1, false) },
    { key: "J", what: "Extend the lines down", run: () => cursor.stepLine(1, true) },
    { key: "K", what: "Shorten the lines", run: () => cursor.stepLine(-1, true) },
    ...(current
      ? [
          {
            key: "c",
            what: "Comment on the line",
            run: () => scope.comment(current.path, current.place, current.from),
          },
        ]
      : []),
    {
      key: "v",
      what: "Mark the file as viewed",
      run: () => {
        const file = currentFile();
        if (!file || scope.reason !== undefined) return;
        tickFile(file, !file.viewed);
        if (!file.viewed) cursor.stepFile(1);
      },
    },
    {
      key: "x",
      what: "Collapse or expand the file",
      run: () => {
        const file = currentFile();
        if (file) setOpen([file.path], !isOpen(file));
      },
    },
    { key: "a", what: "Approve", run: () => openReviewDialog(task.id, "approve") },
    { key: "r", what: "Request changes", run: () => openReviewDialog(task.id, "request_changes") },
  ]);
}
