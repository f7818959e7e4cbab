import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, type ReactElement, useState } from "react";
import type { ChangesSearch } from "#shared/api/work/reviews.js";
import { changesSearchQuery } from "../../../../../api/queries/work/reviews.js";
import { QueryError } from "../../../../../components/query-error.js";
import { useDebounced } from "../../../../../hooks/use-debounced.js";
import { SearchField } from "../../../../../ui/fields/search-field.js";
import { countOf } from "../../../../../ui/text/number.js";
import { PlainText } from "../../../../../ui/text/plain-text.js";
import { useReviewScope } from "../review-scope.js";

type Match = ChangesSearch["matches"][number];

/** Pause in typing after which the search begins; milliseconds. */
const pauseMs = 200;
const leastLetters = 2;

/** Finds names and other text in the changed lines of all files, and leads to them. */
export function ChangeSearch({ isWithoutSpace }: { isWithoutSpace: boolean }): ReactElement {
  const { changes, goToLine } = useReviewScope();
  const [text, setText] = useState("");
  /** The match that Enter led to last. */
  const [at, setAt] = useState(-1);
  const q = useDebounced(text.trim(), pauseMs);
  const isWanted = text.trim().length >= leastLetters;
  const query = useQuery({
    ...changesSearchQuery(changes, isWithoutSpace, q),
    enabled: isWanted && q.length >= leastLetters,
  });
  const matches = isWanted ? (query.data?.matches ?? []) : [];
  const choose = (index: number): void => {
    const match = matches[index];
    if (!match) return;
    setAt(index);
    goToLine(match.path, { side: match.side, line: match.line });
  };
  const handleKey = (event: KeyboardEvent): void => {
    if (event.key === "Enter") {
      event.preventDefault();
      // The lines of an earlier text are shown until those of the newest one are there.
      const isNewest = q === text.trim() && !query.isPlaceholderData;
      if (isNewest && matches.length > 0) choose((at + 1) % matches.length);
    } else if (event.key === "Escape" && text !== "") {
      event.preventDefault();
      setText("");
    }
  };
  return (
    // oxlint-disable-next-line jsx-a11y/no-static-element-interactions -- keys of the field in it
    <div className="flex flex-col gap-2" onKeyDown={handleKey}>
      <SearchField
        label="Find in the changed lines"
        placeholder="Find in the changed lines"
        value={text}
        onChange={(next) => {
          setText(next);
          setAt(-1);
        }}
        hasShortcut
      />
      {isWanted && query.error && (
        <QueryError error={query.error} onRetry={() => void query.refetch()} what="The search" />
      )}
      {isWanted && query.data && (
        <section
          aria-label="Found lines"
          className="rounded-lg border border-line bg-surface text-[13px]"
        >
          <output className="block px-3 py-1.5 text-muted">
            {matches.length === 0
              ? "No changed line contains that."
              : `${countOf(matches.length, "line")}${query.data.complete ? "" : " and more; search for a longer text"}`}
          </output>
          {matches.length > 0 && (
            <ul className="max-h-64 divide-y divide-line overflow-y-auto border-t border-line">
              {matches.map((match, index) => (
                <li key={`${match.path} ${match.side} ${match.line}`}>
                  <Found match={match} isCurrent={index === at} onChoose={() => choose(index)} />
                </li>
              ))}
            </ul>
          )}
        </section>
      )}
    </div>
  );
}

function Found({
  match,
  isCurrent,
  onChoose,
}: {
  match: Match;
  isCurrent: boolean;
  onChoose: () => void;
}): ReactElement {
  const { path, side, line, text } = match;
  return (
    <button
      type="button"
      aria-current={isCurrent ? "true" : undefined}
      onClick={onChoose}
      onKeyDown={(event) => {
        // Enter in the field leads to the next line; here it is a click.
        if (event.key === "Enter") event.stopPropagation();
      }}
      className="flex w-full flex-wrap items-baseline gap-x-3 px-3 py-1.5 text-left -outline-offset-2 hover:bg-sunken aria-[current]:bg-accent-soft"
    >
      <span className="min-w-0 truncate text-muted">
        <PlainText value={path} className="font-mono text-xs" />:{line}
      </span>
      <span className={`min-w-0 truncate font-mono text-xs ${side === "old" ? "text-bad" : ""}`}>
        {side === "old" ? "- " : "+ "}
        <PlainText value={text.trim()} />
      </span>
    </button>
  );
}
