/* oxlint-disable jsx-a11y/prefer-tag-over-role, jsx-a11y/no-noninteractive-tabindex, jsx-a11y/no-noninteractive-element-interactions -- bars have no native list element; arrow keys read them */
import { type KeyboardEvent, type ReactElement, type ReactNode, useRef, useState } from "react";
import type { Tone } from "../feedback/badge.js";

export interface TimelineBar {
  key: string;
  from: number;
  to: number;
  tone: Tone;
  /** Label and duration, for the tooltip and screen readers. */
  text: string;
}

export interface Lane {
  key: string;
  label: ReactNode;
  /** Accessible name of the lane. */
  name: string;
  bars: readonly TimelineBar[];
}

interface TimelineProps {
  label: string;
  /** Both ends of the axis, in Unix milliseconds. */
  from: number;
  to: number;
  lanes: readonly Lane[];
  /** Label of a tick. */
  tickOf: (time: number) => string;
  legend: readonly { tone: Tone; text: string }[];
}

const fills: Record<Tone, string> = {
  neutral: "bg-control",
  good: "bg-good",
  warn: "bg-warn",
  bad: "bg-bad",
  accent: "bg-accent",
};
/** Failures are drawn above other bars that overlap them. */
const stacking: Partial<Record<Tone, string>> = { warn: "z-1", bad: "z-2" };
/** Bars per lane above which bars get no minimum width, since they would overlap. */
const dense = 100;
const tickCount = 4;

/** A timeline with lanes. A single tab stop; arrow keys move between bars. */
export function Timeline({ label, from, to, lanes, tickOf, legend }: TimelineProps): ReactElement {
  const root = useRef<HTMLDivElement>(null);
  const order = lanes.flatMap(({ bars }) => bars.map(({ key }) => key));
  const [stop, setStop] = useState<string | undefined>();
  const [hovered, setHovered] = useState<string | null>(null);
  const current = stop !== undefined && order.includes(stop) ? stop : order[0];
  const shareOf = (time: number): number =>
    Math.min(100, Math.max(0, ((time - from) / (to - from)) * 100));

  const handleKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Escape") setHovered(null);
    const at = order.indexOf(current ?? "");
    const targets: Record<string, number> = {
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      ArrowUp: at - 1,
      ArrowDown: at + 1,
      Home: 0,
      End: order.length - 1,
    };
    const target = order[targets[event.key] ?? -1];
    if (target === undefined) return;
    event.preventDefault();
    root.current?.querySelector<HTMLElement>(`[data-bar="${target}"]`)?.focus();
  };
  const ticks = Array.from({ length: tickCount + 1 }, (_, index) => index / tickCount);
  return (
    <div ref={root} role="group" aria-label={label} className="flex flex-col gap-3">
      <ul className="flex flex-col" onKeyDown={handleKeyDown}>
        {lanes.map((lane) => (
          <li
            key={lane.key}
            className="grid items-center gap-x-3 border-b border-line py-1 sm:grid-cols-[10rem_minmax(0,1fr)]"
          >
            <span className="min-w-0 truncate text-[13px]">{lane.label}</span>
            <span role="list" aria-label={lane.name} className="relative block h-7">
              {ticks.map((share) => (
                <span
                  key={share}
                  aria-hidden="true"
                  className="absolute inset-y-0 w-px bg-line"
                  style={{ left: `${share * 100}%` }}
                />
              ))}
              {lane.bars.map((bar) => {
                const least = lane.bars.length > dense ? "min-w-px" : "min-w-1 rounded-sm";
                const [left, right] = [shareOf(bar.from), shareOf(bar.to)];
                return (
                  <span
                    key={bar.key}
                    role="listitem"
                    aria-label={bar.text}
                    data-bar={bar.key}
                    tabIndex={bar.key === current ? 0 : -1}
                    onFocus={() => {
                      setStop(bar.key);
                      setHovered(bar.key);
                    }}
                    onBlur={() => setHovered(null)}
                    onPointerEnter={() => setHovered(bar.key)}
                    onPointerLeave={() => setHovered(null)}
                    className={`absolute inset-y-0 flex items-center ${least} ${hovered === bar.key ? "z-20" : (stacking[bar.tone] ?? "")}`}
                    // Keep bars that have just begun visible.
                    style={{ left: `min(${left}%, 100% - 4px)`, width: `${right - left}%` }}
                  >
                    <span
                      aria-hidden="true"
                      className={`h-4 w-full forced-color-adjust-none ${least} ${fills[bar.tone]}`}
                    />
                    {hovered === bar.key && (
                      <span
                        aria-hidden="true"
                        className="pointer-events-none absolute top-full z-20 w-max max-w-56 rounded-md border border-line bg-surface px-2.5 py-1.5 text-[13px] text-ink shadow-floating"
                        style={{ left: "50%", transform: `translateX(${-(left + right) / 2}%)` }}
                      >
                        {bar.text}
                      </span>
                    )}
                  </span>
                );
              })}
            </span>
          </li>
        ))}
        <li aria-hidden="true" className="grid gap-x-3 pt-1.5 sm:grid-cols-[10rem_minmax(0,1fr)]">
          <span className="hidden sm:block" />
          <span className="flex justify-between text-[11px] text-muted tabular-nums">
            {ticks.map((share) => (
              <span key={share}>{tickOf(from + share * (to - from))}</span>
            ))}
          </span>
        </li>
      </ul>
      <ul aria-label="Colors" className="flex flex-wrap gap-x-4 gap-y-1 text-[13px] text-muted">
        {legend.map(({ tone, text }) => (
          <li key={text} className="inline-flex items-center gap-1.5">
            <span
              aria-hidden="true"
              className={`size-2.5 forced-color-adjust-none rounded-sm ${fills[tone]}`}
            />
            {text}
          </li>
        ))}
      </ul>
    </div>
  );
}
