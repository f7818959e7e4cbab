import { memo, type ReactElement, type ReactNode } from "react";
import type { DiffFile } from "#shared/api/code/commits.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { Badge } from "../../../../ui/feedback/badge.js";
import { IconButton } from "../../../../ui/actions/button.js";
import { CopyIcon } from "../../../../ui/feedback/copy-button.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import type { DiffMode } from "./diff-mode.js";
import { FileStatus, LineCounts } from "./files/file-status.js";
import { modeChange } from "./files/file-mode.js";
import { LazyRender } from "./lazy-render.js";
import { PatchView } from "./patch-view.js";

interface DiffFileSectionProps {
  id: string;
  file: DiffFile;
  mode: DiffMode;
  isOpen: boolean;
  onOpen: (file: DiffFile, isOpen: boolean) => void;
  /** Whether the file is marked as viewed; undefined if that is not stored. */
  isViewed: boolean | undefined;
  onViewed: (file: DiffFile, isViewed: boolean) => void;
  /** What is said about the file, before its status. */
  remark?: string | undefined;
  /** Buttons beside the file's path. */
  actions?: ReactNode;
  /** Instead of the patch. */
  children?: ReactNode;
}

/** One file of a diff under a sticky header; away from the viewport only the path is rendered. */
export const DiffFileSection = memo(function DiffFileSection(
  props: DiffFileSectionProps,
): ReactElement {
  const { id, file, mode, isOpen } = props;
  const name = visible(file.path);
  return (
    <section
      id={id}
      tabIndex={-1}
      aria-label={name}
      className="min-w-0 overflow-clip rounded-lg border border-line bg-surface"
    >
      <header
        data-sticky=""
        className="sticky top-14 z-10 border-b border-line bg-surface py-1 pr-3 pl-1"
      >
        <LazyRender
          className="flex min-h-8 flex-wrap items-center gap-1"
          instead={
            <h3 className="min-w-0 pl-9 font-mono text-[13px] leading-6">
              <PlainText value={file.path} />
            </h3>
          }
        >
          <IconButton
            label={`${isOpen ? "Collapse" : "Expand"} ${name}`}
            icon={isOpen ? "chevronDown" : "chevronRight"}
            aria-expanded={isOpen}
            onClick={() => props.onOpen(file, !isOpen)}
          />
          <h3 className="flex min-w-0 flex-[1_1_14rem] items-center gap-1 font-mono text-[13px] leading-6">
            <span className="min-w-0">
              {file.old_path !== null && file.old_path !== file.path && (
                <>
                  <PlainText value={file.old_path} className="text-muted" />{" "}
                  <span aria-hidden="true">→</span>
                  <span className="sr-only">renamed to</span>{" "}
                </>
              )}
              <PlainText value={file.path} />
            </span>
            <CopyIcon text={file.path} label={`Copy path ${name}`} />
          </h3>
          <span className="ml-auto flex items-center gap-3 pl-2">
            {!file.binary && <LineCounts additions={file.additions} deletions={file.deletions} />}
            {props.remark !== undefined && <Badge>{props.remark}</Badge>}
            {(file.status !== "modified" || props.actions === undefined) && (
              <FileStatus status={file.status} />
            )}
            {props.actions}
            {props.isViewed !== undefined && (
              <label className="flex items-center gap-1.5 text-[13px] whitespace-nowrap text-muted">
                <input
                  type="checkbox"
                  checked={props.isViewed}
                  onChange={(event) => props.onViewed(file, event.target.checked)}
                  className="size-4 accent-accent"
                />
                Viewed<span className="sr-only"> {name}</span>
              </label>
            )}
          </span>
        </LazyRender>
      </header>
      {isOpen && (props.children ?? <FileBody file={file} mode={mode} />)}
    </section>
  );
});

function FileBody({ file, mode }: { file: DiffFile; mode: DiffMode }): ReactElement {
  return (
    <>
      <ChangeNote file={file} />
      {hasLines(file) && (
        <PatchView path={file.path} oldPath={file.old_path} patch={file.patch} mode={mode} />
      )}
    </>
  );
}

export function hasLines(file: DiffFile): file is DiffFile & { patch: string } {
  return file.patch !== null && /^@@ /m.test(file.patch);
}

/** Describes changes outside the lines: binary, truncated, mode, symlink, submodule, rename. */
export function ChangeNote({ file }: { file: DiffFile }): ReactElement | null {
  const modes = modeChange(file.old_mode, file.new_mode);
  const rest = file.binary
    ? "Binary file: its contents are not shown."
    : file.truncated
      ? "This file is big: the diff is cut here. Fetch the branch to see all of it."
      : hasLines(file)
        ? ""
        : file.status === "renamed"
          ? "Renamed without changes."
          : "No lines changed.";
  const text = [modes, rest].filter(Boolean).join(" ");
  return text === "" ? null : (
    <div className="p-3">
      <Alert tone={file.truncated ? "warn" : "info"}>{text}</Alert>
    </div>
  );
}
