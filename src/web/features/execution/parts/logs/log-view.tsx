import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactElement, useDeferredValue, useEffect, useMemo, useRef, useState } from "react";
import type { Run } from "#shared/api/execution/runs.js";
import { usePersistedState } from "../../../../hooks/use-persisted-state.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { Card } from "../../../../ui/layout/card.js";
import { countOf } from "../../../../ui/text/number.js";
import type { StreamState } from "../../../../api/follow-stream.js";
import { LogRow } from "./log-row.js";
import { LogToolbar } from "./log-toolbar.js";
import { useLog } from "./use-log.js";

const rowHeight = 20;
const isSwitch = (stored: unknown): boolean => typeof stored === "boolean";

const states: Record<StreamState, string> = {
  connecting: "Connecting…",
  live: "Live",
  lost: "Reconnecting…",
  ended: "Complete",
  refused: "You no longer have access to this log.",
  expired: "Deleted",
};

function emptyText(state: StreamState): string {
  if (state === "expired") {
    return "The log was deleted: the server keeps it for a time after the last output.";
  }
  return state === "ended" ? "No output." : "No output yet.";
}

/** A run's log, updated live; only visible lines are rendered. */
export function LogView({ run }: { run: Run }): ReactElement {
  const { value: log, state, version } = useLog(run.id);
  const [withTimes, setTimes] = usePersistedState("forever", "log-times", false, isSwitch);
  const [isWrapped, setWrapped] = usePersistedState("forever", "log-wrap", true, isSwitch);
  const [isFollowing, setFollowing] = useState(run.ended_at === null);
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const sought = useDeferredValue(query);
  const scroller = useRef<HTMLElement>(null);
  const count = log.lines.length;

  const pattern = useMemo(
    () =>
      sought === "" ? null : new RegExp(sought.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&"), "giu"),
    [sought],
  );
  const hits = useMemo(() => {
    if (pattern === null) return [];
    return log.lines.flatMap(({ text, number }) => (text.search(pattern) === -1 ? [] : [number]));
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- the array of lines is mutated; `version` changes with it
  }, [log, version, pattern]);
  const current = hits[Math.min(at, hits.length - 1)];

  const rows = useVirtualizer({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    getItemKey: (index) => log.lines[index]?.number ?? index,
    overscan: 20,
  });
  const show = (number: number | undefined): void => {
    if (number === undefined) return;
    setFollowing(false);
    rows.scrollToIndex(number - log.dropped, { align: "center" });
  };
  useEffect(() => {
    if (isFollowing && count > 0) rows.scrollToIndex(count - 1, { align: "end" });
  }, [isFollowing, count, version, rows]);
  const go = (step: 1 | -1): void => {
    if (hits.length === 0) return;
    const next = (Math.min(at, hits.length - 1) + step + hits.length) % hits.length;
    setAt(next);
    show(hits[next]);
  };

  return (
    <Card
      title="Log"
      actions={
        <output className="text-[13px] text-muted">
          {state === "live" && run.status === "queued" ? "Queued" : states[state]}
        </output>
      }
    >
      <div className="-m-4 flex flex-col">
        <LogToolbar
          run={run}
          query={query}
          onSearch={(next) => {
            setQuery(next);
            setAt(0);
          }}
          found={
            query === ""
              ? ""
              : hits.length === 0
                ? "None"
                : `${Math.min(at, hits.length - 1) + 1} of ${countOf(hits.length, "line")}`
          }
          onGo={go}
          switches={[
            ...(state === "ended"
              ? []
              : [{ label: "Follow", isOn: isFollowing, onChange: setFollowing }]),
            { label: "Times", isOn: withTimes, onChange: setTimes },
            { label: "Wrap", isOn: isWrapped, onChange: setWrapped },
          ]}
        />
        {log.dropped > 0 && (
          <div className="px-4 pb-3">
            <Alert tone="info">
              The first {countOf(log.dropped, "line")} are in the download alone.
            </Alert>
          </div>
        )}
        {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- scrolling away from the end stops following */}
        <section
          ref={scroller}
          aria-label="Output"
          // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- the region scrolls by keyboard, too
          tabIndex={0}
          onWheel={({ deltaY }) => deltaY < 0 && setFollowing(false)}
          onTouchMove={() => setFollowing(false)}
          onKeyDown={({ key }) =>
            ["ArrowUp", "PageUp", "Home"].includes(key) && setFollowing(false)
          }
          className={`${state === "ended" ? "max-h-[60vh] min-h-24" : "h-[60vh] min-h-64"} overflow-auto rounded-b-lg bg-log py-2 font-mono text-[13px] text-on-log focus-visible:-outline-offset-2`}
        >
          {count === 0 && <p className="px-4 py-2 text-log-muted">{emptyText(state)}</p>}
          <div style={{ height: `${rows.getTotalSize()}px`, position: "relative" }}>
            {rows.getVirtualItems().map((item) => {
              const line = log.lines[item.index];
              return (
                line && (
                  <div
                    key={item.key}
                    ref={rows.measureElement}
                    data-index={item.index}
                    className={`absolute top-0 left-0 ${isWrapped ? "w-full" : "min-w-full"}`}
                    style={{ transform: `translateY(${item.start}px)` }}
                  >
                    <LogRow
                      line={line}
                      pattern={pattern}
                      isCurrent={line.number === current}
                      withTime={withTimes}
                      isWrapped={isWrapped}
                    />
                  </div>
                )
              );
            })}
          </div>
        </section>
      </div>
    </Card>
  );
}
