import { Fragment, type ReactElement, useState } from "react";
import type { HunkTake, MergedText } from "#shared/api/code/merges.js";
import { Button } from "../../../../ui/actions/button.js";
import { countOf } from "../../../../ui/text/number.js";
import { visibleLines } from "../../../../ui/text/plain-text.js";
import type { Side } from "../../parts/merges/conflict-card.js";
import { countHunks, hunkId, type HunkTakes } from "./decisions.js";

interface HunkEditorProps {
  /** The element id of the conflict. */
  id: string;
  merged: MergedText;
  takes: HunkTakes;
  onTake: (hunk: number, take: HunkTake) => void;
  names: Record<Side, string>;
  reason: string | undefined;
}

const labels = { target: "Target", source: "Source", both: "Both" } as const;

/** git's merged text, in which each conflict hunk takes the lines of one side or of both. */
export function HunkEditor(props: HunkEditorProps): ReactElement {
  const { merged, takes } = props;
  const open = takes.filter((take) => take === null).length;
  return (
    <div className="flex flex-col gap-2">
      <p className="text-[13px] text-muted" aria-live="polite">
        {open === 0
          ? `All ${countOf(takes.length, "hunk")} decided`
          : `${open} of ${countOf(countHunks(merged), "hunk")} to decide`}
      </p>
      <div className="min-w-0 overflow-hidden rounded-md border border-line font-mono text-[13px]">
        {numbered(merged).map(({ key, segment, hunk }) =>
          "text" in segment ? (
            <MergedLines key={key} text={segment.text} />
          ) : (
            <Hunk
              key={key}
              id={hunkId(props.id, hunk)}
              at={hunk}
              segment={segment}
              take={takes[hunk] ?? null}
              onTake={props.onTake}
              names={props.names}
              reason={props.reason}
            />
          ),
        )}
      </div>
    </div>
  );
}

/** The segments with the number of the hunk that they are, or that follows them. */
function numbered({ segments }: MergedText) {
  let hunk = 0;
  return segments.map((segment, at) => ({
    key: `segment-${at}`,
    segment,
    hunk: "text" in segment ? hunk : hunk++,
  }));
}

interface HunkProps extends Pick<HunkEditorProps, "onTake" | "names" | "reason"> {
  id: string;
  at: number;
  segment: { target: string; source: string };
  take: HunkTake | null;
}

function Hunk({ id, at, segment, take, onTake, names, reason }: HunkProps): ReactElement {
  return (
    <section
      id={id}
      data-hunk={at}
      tabIndex={-1}
      aria-label={`Hunk ${at + 1}`}
      className={`scroll-mt-32 border-y border-line first:border-t-0 last:border-b-0 ${take === null ? "bg-warn-soft" : "bg-sunken"}`}
    >
      <div className="flex flex-wrap items-center justify-between gap-2 px-3 py-1.5 font-sans">
        <span className="font-medium">Hunk {at + 1}</span>
        <fieldset aria-label={`Lines of hunk ${at + 1}`} className="flex flex-wrap gap-1.5">
          {(["target", "source", "both"] as const).map((side) => (
            <Button
              key={side}
              size="sm"
              variant={take === side ? "primary" : "secondary"}
              {...(take === side ? { icon: "check" as const } : {})}
              aria-pressed={take === side}
              disabledReason={reason}
              onClick={() => onTake(at, side)}
            >
              {labels[side]}
            </Button>
          ))}
        </fieldset>
      </div>
      {(["target", "source"] as const).map((side) => {
        const isUsed = take === null || take === side || take === "both";
        return (
          <Fragment key={side}>
            <div className="border-t border-line px-3 py-1 font-sans text-[13px] text-muted">
              {labels[side]} ({names[side]}){isUsed ? "" : " – not taken"}
            </div>
            <Lines text={segment[side]} isFaint={!isUsed} />
          </Fragment>
        );
      })}
    </section>
  );
}

/** Lines of merged text around the hunks that stay visible. */
const CONTEXT = 3;

/** Merged lines, of which long runs are folded. */
function MergedLines({ text }: { text: string }): ReactElement {
  const [isOpen, setOpen] = useState(false);
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const hidden = lines.length - 2 * CONTEXT;
  if (isOpen || hidden <= 2) return <Lines text={text} isFaint={false} />;
  return (
    <>
      <Lines text={lines.slice(0, CONTEXT).join("")} isFaint={false} />
      <button
        type="button"
        className="w-full bg-sunken px-3 py-1 text-left font-sans text-[13px] text-accent-ink hover:underline"
        onClick={() => setOpen(true)}
      >
        Show {countOf(hidden, "merged line")}
      </button>
      <Lines text={lines.slice(-CONTEXT).join("")} isFaint={false} />
    </>
  );
}

function Lines({ text, isFaint }: { text: string; isFaint: boolean }): ReactElement {
  if (text === "") return <p className="px-3 py-1 font-sans text-[13px] text-muted">No lines</p>;
  return (
    <pre
      className={`overflow-x-auto bg-surface px-3 py-1 leading-5 ${isFaint ? "text-muted line-through" : ""}`}
    >
      {visibleLines(text)}
    </pre>
  );
}
