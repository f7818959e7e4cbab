import type { ReactElement, ReactNode } from "react";
import type { Changes } from "#shared/api/work/reviews.js";
import type { ChangesSince } from "../../../../api/queries/work/reviews.js";
import { type DiffMode, diffModes } from "../../../code/parts/diffs/diff-mode.js";
import { LineCounts } from "../../../code/parts/diffs/files/file-status.js";
import { Button, IconButton } from "../../../../ui/actions/button.js";
import { ShortcutHelp } from "../../../../ui/overlays/shortcuts.js";
import { Segments } from "../../../../ui/fields/radio.js";
import { countOf } from "../../../../ui/text/number.js";

/** How the changes are shown. */
export interface ReviewView {
  since: ChangesSince;
  onSince: (since: ChangesSince) => void;
  isWithoutSpace: boolean;
  onWithoutSpace: (isWithoutSpace: boolean) => void;
  mode: DiffMode;
  /** Whether there is room for two columns. */
  canSplit: boolean;
  onMode: (mode: DiffMode) => void;
  /** Whether the changes have the whole width; undefined where they always have it. */
  isFull: boolean | undefined;
  onFull: (isFull: boolean) => void;
}

interface ReviewToolbarProps extends ReviewView {
  changes: Changes;
  /** Whether the viewer has reviewed the task before. */
  hasReviewed: boolean;
  isAllClosed: boolean;
  onAllClosed: (isClosed: boolean) => void;
  children?: ReactNode;
}

const comparisons: readonly { value: ChangesSince; label: string }[] = [
  { value: "base", label: "All changes" },
  { value: "last_review", label: "Since my last review" },
];

/** What is compared, how much that is, and how it is shown. */
export function ReviewToolbar(props: ReviewToolbarProps): ReactElement {
  const { changes, isFull } = props;
  const { stats, files } = changes;
  const viewed = files.filter((file) => file.viewed).length;
  return (
    <div className="flex flex-col gap-2.5">
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
        <h2 className="flex flex-wrap items-baseline gap-x-3 text-base font-semibold">
          {countOf(stats.files_changed, "file")} changed
          <LineCounts additions={stats.additions} deletions={stats.deletions} />
          {viewed > 0 && (
            <span className="text-[13px] font-normal text-muted">
              {viewed} of {files.length} viewed
            </span>
          )}
        </h2>
        <span className="flex items-center gap-1">
          <ShortcutHelp />
          {isFull !== undefined && (
            <IconButton
              label={isFull ? "Show the conversation beside the changes" : "Show at full width"}
              icon="expand"
              aria-pressed={isFull}
              onClick={() => props.onFull(!isFull)}
            />
          )}
        </span>
      </div>
      <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
        {props.hasReviewed && (
          <Segments
            legend="Compare with"
            hideLegend
            value={props.since}
            onChange={props.onSince}
            options={comparisons}
          />
        )}
        {props.canSplit && (
          <Segments
            legend="Diff view"
            hideLegend
            value={props.mode}
            onChange={props.onMode}
            options={diffModes}
          />
        )}
        <label className="flex min-h-8 items-center gap-1.5 text-[13px] text-muted">
          <input
            type="checkbox"
            checked={props.isWithoutSpace}
            onChange={({ target }) => props.onWithoutSpace(target.checked)}
            className="size-4 accent-accent"
          />
          Ignore white space
        </label>
        {files.length > 1 && (
          <Button
            size="sm"
            variant="ghost"
            className="ml-auto"
            onClick={() => props.onAllClosed(!props.isAllClosed)}
          >
            {props.isAllClosed ? "Expand all" : "Collapse all"}
          </Button>
        )}
      </div>
      {props.children}
    </div>
  );
}
