import { memo, type ReactElement } from "react";
import type { DiffFile } from "#shared/api/code/commits.js";
import type { ChangedFile } from "#shared/api/work/reviews.js";
import { DiffFileSection } from "../../../../code/parts/diffs/diff-file-section.js";
import type { DiffMode } from "../../../../code/parts/diffs/diff-mode.js";
import { IconButton } from "../../../../../ui/actions/button.js";
import { visible } from "../../../../../ui/text/plain-text.js";
import { useReviewScope } from "../review-scope.js";
import { TalkList } from "../threads/line-talk.js";
import { ReviewPatch } from "./review-patch.js";

interface ReviewFileProps {
  id: string;
  file: ChangedFile;
  mode: DiffMode;
  isOpen: boolean;
  onOpen: (file: DiffFile, isOpen: boolean) => void;
  onViewed: (file: DiffFile, isViewed: boolean) => void;
  /** The lines with threads or comments, such as "new:3 old:12". */
  talkLines: string;
  /** Number of threads and comments in the file. */
  talkCount: number;
  canMark: boolean;
}

/** One file of a review: its patch with what is said in it. */
export const ReviewFile = memo(function ReviewFile({
  file,
  talkLines,
  talkCount,
  canMark,
  ...section
}: ReviewFileProps): ReactElement {
  return (
    <DiffFileSection
      {...section}
      file={file}
      isViewed={canMark ? file.viewed : undefined}
      remark={remarkOf(file, talkCount)}
      actions={<FileCommentButton path={file.path} />}
    >
      <FileLevelTalk path={file.path} />
      <ReviewPatch file={file} mode={section.mode} talkLines={talkLines} />
    </DiffFileSection>
  );
});

function remarkOf({ generated }: ChangedFile, talkCount: number): string | undefined {
  const parts = [
    ...(generated ? ["Generated"] : []),
    ...(talkCount > 0 ? [talkCount === 1 ? "1 comment" : `${talkCount} comments`] : []),
  ];
  return parts.length === 0 ? undefined : parts.join(" · ");
}

function FileCommentButton({ path }: { path: string }): ReactElement | null {
  const { comment, reason } = useReviewScope();
  return reason === undefined ? (
    <IconButton
      label={`Comment on ${visible(path)}`}
      icon="comment"
      onClick={() => comment(path, null)}
    />
  ) : null;
}

/** What is said about the whole file, and at lines that are gone. */
function FileLevelTalk({ path }: { path: string }): ReactElement | null {
  const talk = useReviewScope().talk.get(path)?.file;
  return talk && talk.threads.length + talk.pending.length > 0 ? (
    <div className="border-b border-line bg-sunken px-3 py-2.5">
      <TalkList talk={talk} />
    </div>
  ) : null;
}
