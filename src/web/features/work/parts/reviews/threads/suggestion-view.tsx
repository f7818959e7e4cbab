import type { ReactElement } from "react";
import { visibleLines } from "../../../../../ui/text/plain-text.js";

/** The lines of a comment, and what is suggested in their place. */
export function SuggestionView({
  before,
  after,
}: {
  before: string | null;
  after: string;
}): ReactElement {
  return (
    <div className="overflow-hidden rounded-md border border-line">
      <p className="border-b border-line bg-sunken px-3 py-1 text-[13px] text-muted">
        Suggested change
      </p>
      <div className="font-mono text-xs leading-[1.6]">
        {before !== null && <Lines text={before} sign="−" />}
        {after === "" ? (
          <p className="px-3 py-1 text-muted">Deletes the lines.</p>
        ) : (
          <Lines text={after} sign="+" />
        )}
      </div>
    </div>
  );
}

function Lines({ text, sign }: { text: string; sign: "−" | "+" }): ReactElement {
  const Tag = sign === "+" ? "ins" : "del";
  return (
    <Tag
      className={`block no-underline ${sign === "+" ? "bg-good-soft text-good" : "bg-bad-soft text-bad"}`}
    >
      {visibleLines(text.replace(/\n$/, ""))
        .split("\n")
        .map((line, index) => (
          // oxlint-disable-next-line react/no-array-index-key -- lines have no other identity
          <span key={index} className="flex gap-2 px-3">
            <span aria-hidden="true" className="select-none">
              {sign}
            </span>
            <span className="min-w-0 flex-1 wrap-anywhere whitespace-pre-wrap text-ink">
              {line}
            </span>
          </span>
        ))}
    </Tag>
  );
}
