import type { ReactElement, ReactNode } from "react";
import type { Gap, Shown } from "../../../../code/parts/diffs/patches/widen.js";
import { asApiError } from "../../../../../api/client.js";
import { countOf } from "../../../../../ui/text/number.js";
import { PlainText } from "../../../../../ui/text/plain-text.js";

/** Lines that one click shows. */
const step = 20;

interface GapBarProps {
  gap: Gap;
  /** The function or heading of the hunk below. */
  heading: string;
  isFirst: boolean;
  isLast: boolean;
  isLoading: boolean;
  error: unknown;
  /** Undefined where nothing can be shown. */
  onShow: ((more: Partial<Shown>) => void) | undefined;
}

/** The unchanged lines between two hunks, and buttons that show some of them. */
export function GapBar({
  gap,
  heading,
  isFirst,
  isLast,
  isLoading,
  error,
  onShow,
}: GapBarProps): ReactElement {
  const { lines } = gap;
  const isShort = lines !== null && lines <= 2 * step;
  const showsButtons = onShow !== undefined && lines !== 0;
  return (
    <div className="flex min-h-7 flex-wrap items-center gap-x-3 border-y border-line bg-sunken px-3 text-xs text-muted first:border-t-0 last:border-b-0">
      {showsButtons && isShort && (
        <GapButton onClick={() => onShow(isFirst ? { above: lines } : { below: lines })}>
          Show {countOf(lines, "line")}
        </GapButton>
      )}
      {showsButtons && !isShort && !isFirst && (
        <GapButton
          label={`Show ${step} lines after the code above`}
          onClick={() => onShow({ below: step })}
        >
          ↓ {step} lines
        </GapButton>
      )}
      {showsButtons && !isShort && !isLast && (
        <GapButton
          label={`Show ${step} lines before the code below`}
          onClick={() => onShow({ above: step })}
        >
          ↑ {step} lines
        </GapButton>
      )}
      {lines !== null && lines > 0 && !isShort && <span>{countOf(lines, "unchanged line")}</span>}
      {isLoading && <span>Reading lines…</span>}
      {error != null && <span className="text-bad">{asApiError(error).message}</span>}
      {heading.trim() !== "" && (
        <span className="min-w-0 truncate font-mono">
          <PlainText value={heading.trim()} />
        </span>
      )}
    </div>
  );
}

function GapButton({
  label,
  onClick,
  children,
}: {
  label?: string;
  onClick: () => void;
  children: ReactNode;
}): ReactElement {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      onClick={onClick}
      className="min-h-6 rounded font-medium text-accent-ink hover:underline"
    >
      {children}
    </button>
  );
}
