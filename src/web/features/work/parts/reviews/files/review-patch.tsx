import { useQuery } from "@tanstack/react-query";
import { type ReactElement, type ReactNode, useCallback, useMemo, useRef, useState } from "react";
import type { ChangedFile, Side } from "#shared/api/work/reviews.js";
import { fileLinesQuery } from "../../../../../api/queries/work/reviews.js";
import { Waiting } from "../../../../../components/await.js";
import { ChangeNote, hasLines } from "../../../../code/parts/diffs/diff-file-section.js";
import type { DiffMode } from "../../../../code/parts/diffs/diff-mode.js";
import { useNearViewport } from "../../../../code/parts/diffs/lazy-render.js";
import type { LineExtension } from "../../../../code/parts/diffs/line-extension.js";
import { expectedHeight } from "../../../../code/parts/diffs/patch-pieces.js";
import { PatchView } from "../../../../code/parts/diffs/patch-view.js";
import {
  endsOf,
  formatPatch,
  type Hunk,
  numberedLines,
} from "../../../../code/parts/diffs/patches/hunks.js";
import {
  type Gap,
  gapsOf,
  type Shown,
  widened,
} from "../../../../code/parts/diffs/patches/widen.js";
import { useReviewScope } from "../review-scope.js";
import { LineTalk, TalkList } from "../threads/line-talk.js";
import { type FileTalk, lineKey, type Talk } from "../threads/talk.js";
import { AddComment } from "./add-comment.js";
import { isUnread } from "./file-lines.js";
import { patchOf } from "./file-patches.js";
import { GapBar } from "./gap-bar.js";
import { ImageView, isImage } from "./image-view.js";
import { isNotebook, NotebookView } from "./notebooks/notebook-view.js";

interface ReviewPatchProps {
  file: ChangedFile;
  mode: DiffMode;
  talkLines: string;
}

/** The hunks of a file with what is said at their lines; they are read once they are near. */
export function ReviewPatch(props: ReviewPatchProps): ReactElement {
  return isUnread(props.file) ? <UnreadPatch {...props} /> : <ReadPatch {...props} />;
}

function UnreadPatch(props: ReviewPatchProps): ReactElement {
  const { file, mode } = props;
  const { lines } = useReviewScope();
  const [place, isNear] = useNearViewport<HTMLDivElement>();
  const query = useQuery({ ...lines.query(file), enabled: isNear });
  const found = query.data?.get(file.path);
  const read = useMemo(
    () => found && { ...file, patch: found.patch, truncated: found.truncated },
    [file, found],
  );
  if (read) return <ReadPatch {...props} file={read} />;
  return (
    <div
      ref={place}
      className="p-3 text-[13px] text-muted"
      style={{ minHeight: expectedHeight(file, mode) }}
    >
      {query.error ? <Waiting query={query} what="The lines" /> : "Reading the lines…"}
    </div>
  );
}

function ReadPatch({ file, mode, talkLines }: ReviewPatchProps): ReactElement {
  if (!hasLines(file)) {
    return (
      <>
        <ChangeNote file={file} />
        {file.binary && isImage(file.path) && <ImageView file={file} />}
      </>
    );
  }
  return (
    <>
      <ChangeNote file={file} />
      {isNotebook(file.path) ? (
        <NotebookView
          file={file}
          mode={mode}
          startsWithLines={talkLines !== ""}
          lines={<Hunks file={file} mode={mode} talkLines={talkLines} />}
        />
      ) : (
        <Hunks file={file} mode={mode} talkLines={talkLines} />
      )}
    </>
  );
}

function Hunks({ file, mode, talkLines }: ReviewPatchProps): ReactElement {
  const { task, attempt, changes } = useReviewScope();
  const [shown, setShown] = useState<ReadonlyMap<number, Shown>>(() => new Map());
  const frame = useRef<HTMLDivElement>(null);
  const content = useQuery({
    ...fileLinesQuery(task.id, attempt.id, changes.commit_sha, file.path),
    enabled: shown.size > 0 && file.status !== "deleted",
  });
  const lines = content.data?.lines;
  const { wide, gaps, count, header } = useMemo(
    () => widenedFile(file, lines, shown),
    [file, lines, shown],
  );
  const extension = useExtension(file.path, talkLines);
  const show = (gap: Gap, more: Partial<Shown>): void => {
    const before = shown.get(gap.index) ?? { below: 0, above: 0 };
    const next = {
      below: before.below + (more.below ?? 0),
      above: before.above + (more.above ?? 0),
    };
    setShown(new Map(shown).set(gap.index, next));
  };
  const canWiden = file.status !== "deleted" && file.status !== "added" && !file.truncated;
  const parts: ReactNode[] = [];
  const bar = (gap: Gap, heading: string): ReactNode => (
    <GapBar
      key={`gap-${gap.index}`}
      gap={gap}
      heading={heading}
      isFirst={gap.index === 0}
      isLast={gap.index === count}
      isLoading={content.isFetching}
      error={content.error}
      onShow={canWiden ? (more) => show(gap, more) : undefined}
    />
  );
  for (const [index, hunk] of wide.entries()) {
    const gap = gaps.find(({ before }) => before === index);
    if (gap) parts.push(bar(gap, hunk.heading));
    parts.push(
      <PatchView
        key={`hunk-${gap?.index ?? index}`}
        path={file.path}
        oldPath={file.old_path}
        patch={formatPatch({ header, hunks: [hunk] })}
        mode={mode}
        extension={extension}
        isWithoutHeads
      />,
    );
  }
  const last = gaps.find(({ index }) => index === count);
  if (last && canWiden && last.lines !== 0) parts.push(bar(last, ""));
  return (
    <div ref={frame} className="relative" data-review-patch="">
      <HiddenTalk path={file.path} hunks={wide} talkLines={talkLines} />
      {parts}
      <AddComment path={file.path} frame={frame} />
    </div>
  );
}

/** The hunks of a file with what is shown around them, and the gaps that are left. */
function widenedFile(
  file: ChangedFile,
  lines: readonly string[] | undefined,
  shown: ReadonlyMap<number, Shown>,
) {
  const { header, hunks } = patchOf(file);
  return {
    header,
    wide: lines && shown.size > 0 ? widened(hunks, lines, shown) : hunks,
    gaps: openGaps(gapsOf(hunks, lengthOf(hunks, lines)), shown, lines !== undefined),
    /** Number of the hunks before any have met: the index of the gap at the end. */
    count: hunks.length,
  };
}

/** Unchanged lines that git shows after a change. */
const contextLines = 3;

/** Returns the number of lines of a file; null if it is not known. */
function lengthOf(hunks: readonly Hunk[], lines: readonly string[] | undefined): number | null {
  if (lines) return lines.length;
  const last = hunks.at(-1);
  if (!last) return null;
  const numbered = numberedLines(last);
  const trailing = numbered.length - 1 - numbered.findLastIndex(({ kind }) => kind !== "context");
  // Fewer lines follow the change only at the end of a file.
  return trailing < contextLines ? endsOf(last).newLine - 1 : null;
}

/** The gaps that are still open, with the index of the hunk after them among the widened ones. */
function openGaps(
  gaps: readonly Gap[],
  shown: ReadonlyMap<number, Shown>,
  isKnown: boolean,
): (Gap & { before: number })[] {
  const open: (Gap & { before: number })[] = [];
  let hunk = 0;
  for (const gap of gaps) {
    const wanted = isKnown ? shown.get(gap.index) : undefined;
    const isLast = gap.index === gaps.length - 1;
    const below = gap.index === 0 ? 0 : (wanted?.below ?? 0);
    const above = isLast ? 0 : (wanted?.above ?? 0);
    const rest = gap.lines === null ? null : gap.lines - below - above;
    // The first hunk has nothing before it that it could meet.
    const isClosed = rest !== null && rest <= 0;
    if (!isClosed) open.push({ ...gap, lines: rest, before: hunk });
    if (!isClosed || gap.index === 0) hunk += 1;
  }
  return open;
}

function useExtension(path: string, talkLines: string): LineExtension {
  const render = useCallback(
    (side: Side, line: number) => <LineTalk path={path} side={side} line={line} />,
    [path],
  );
  return useMemo(() => {
    const of = (side: Side): Set<number> =>
      new Set(
        talkLines
          .split(" ")
          .filter((key) => key.startsWith(`${side}:`))
          .map((key) => Number(key.slice(4))),
      );
    return { old: of("old"), new: of("new"), render };
  }, [talkLines, render]);
}

/** What is said at lines that are not shown: those between hunks, and beyond the end of a cut patch. */
function HiddenTalk({
  path,
  hunks,
  talkLines,
}: {
  path: string;
  hunks: readonly Hunk[];
  talkLines: string;
}): ReactElement | null {
  const talk = useReviewScope().talk.get(path);
  const visible = useMemo(() => (talkLines === "" ? null : shownLines(hunks)), [hunks, talkLines]);
  const hidden = talk && visible ? hiddenTalk(talk, visible) : null;
  return hidden && hidden.threads.length + hidden.pending.length > 0 ? (
    <div className="border-b border-line bg-sunken px-3 py-2.5">
      <TalkList talk={hidden} withPlace />
    </div>
  ) : null;
}

function shownLines(hunks: readonly Hunk[]): Set<string> {
  const shown = new Set<string>();
  for (const { oldLine, newLine } of hunks.flatMap(numberedLines)) {
    if (oldLine !== null) shown.add(lineKey("old", oldLine));
    if (newLine !== null) shown.add(lineKey("new", newLine));
  }
  return shown;
}

function hiddenTalk({ lines }: FileTalk, shown: ReadonlySet<string>): Talk {
  const hidden = [...lines].filter(([key]) => !shown.has(key)).map(([, talk]) => talk);
  return {
    threads: hidden.flatMap(({ threads }) => threads),
    pending: hidden.flatMap(({ pending }) => pending),
  };
}
