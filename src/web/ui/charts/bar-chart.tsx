/* oxlint-disable jsx-a11y/prefer-tag-over-role, jsx-a11y/no-noninteractive-tabindex, jsx-a11y/no-noninteractive-element-interactions -- SVG shapes have no native list element; arrow keys read the values */
import { type KeyboardEvent, type ReactElement, useId, useRef, useState } from "react";
import { formatNumber } from "../text/number.js";

interface Bar {
  key: string;
  /** Label below the axis, if it fits. */
  tick: string;
  /** Label and value of the bar, for the tooltip and screen readers. */
  name: string;
  text: string;
  value: number;
}

interface BarChartProps {
  title: string;
  /** Summary of the chart in a sentence or two. */
  description: string;
  bars: readonly Bar[];
  /** Reference value, drawn as a dashed line unless it is far above all bars. */
  reference?: { value: number; label: string };
  /** Formats a value of the axis. */
  formatValue?: (value: number) => string;
}

const plotHeight = 160;
const ticksEvery = 7;

/** Axis maxima, times a power of ten. */
const maxima = [1, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10];

/** Returns the axis maximum for the highest value: an even number, so that its half is whole, too. */
function axisEnd(highest: number): number {
  const value = Math.max(2, highest);
  const power = 10 ** Math.floor(Math.log10(value));
  const ends = maxima.map((factor) => Math.round(factor * power));
  return ends.find((end) => end >= value && end % 2 === 0) as number;
}

/** A bar chart. A single tab stop; arrow keys move between bars, Escape hides the tooltip. */
export function BarChart({
  title,
  description,
  bars,
  reference,
  formatValue = formatNumber,
}: BarChartProps): ReactElement {
  const id = useId();
  const shapes = useRef<(SVGGElement | null)[]>([]);
  const [stop, setStop] = useState(0);
  const [hovered, setHovered] = useState<number | null>(null);
  const highest = Math.max(...bars.map(({ value }) => value));
  const line =
    reference && reference.value > 0 && reference.value <= highest * 2 ? reference : null;
  const top = axisEnd(Math.max(highest, line?.value ?? 0));
  const yOf = (value: number): number => plotHeight * (1 - value / top);
  const width = 100 / bars.length;

  const handleKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Escape") setHovered(null);
    const last = bars.length - 1;
    const targets: Record<string, number> = {
      ArrowLeft: Math.max(0, stop - 1),
      ArrowRight: Math.min(last, stop + 1),
      Home: 0,
      End: last,
    };
    const target = targets[event.key];
    if (target === undefined) return;
    event.preventDefault();
    shapes.current[target]?.focus();
  };

  return (
    <figure className="flex flex-col gap-3">
      <figcaption>
        <h3 id={`${id}-title`} className="font-medium">
          {title}
        </h3>
        <p id={`${id}-description`} className="text-[13px] text-muted">
          {description}
        </p>
      </figcaption>
      <div className="flex gap-2">
        <AxisLabels values={[top, top / 2, 0]} yOf={yOf} format={formatValue} />
        <div className="relative min-w-0 flex-1" onPointerLeave={() => setHovered(null)}>
          <svg
            role="list"
            aria-labelledby={`${id}-title`}
            aria-describedby={`${id}-description`}
            width="100%"
            height={plotHeight + 32}
            className="block overflow-visible"
            onKeyDown={handleKeyDown}
          >
            <svg y={8} width="100%" height={plotHeight + 24} overflow="visible">
              {[top, top / 2, 0].map((value) => (
                <line
                  key={value}
                  x1="0"
                  x2="100%"
                  y1={yOf(value)}
                  y2={yOf(value)}
                  className="stroke-line"
                />
              ))}
              {bars.map((bar, index) => (
                <g
                  key={bar.key}
                  ref={(shape) => {
                    shapes.current[index] = shape;
                  }}
                  role="listitem"
                  aria-label={`${bar.name}: ${bar.text}`}
                  tabIndex={index === stop ? 0 : -1}
                  onFocus={() => {
                    setStop(index);
                    setHovered(index);
                  }}
                  onBlur={() => setHovered(null)}
                  onPointerEnter={() => setHovered(index)}
                >
                  {/* The whole column reacts to the pointer, so that low bars are easy to hit. */}
                  <rect
                    x={`${index * width}%`}
                    width={`${width}%`}
                    height={plotHeight}
                    className={hovered === index ? "fill-sunken" : "fill-transparent"}
                  />
                  <rect
                    x={`${(index + 0.15) * width}%`}
                    width={`${0.7 * width}%`}
                    y={bar.value > 0 ? Math.min(yOf(bar.value), plotHeight - 1) : plotHeight}
                    height={bar.value > 0 ? Math.max(plotHeight - yOf(bar.value), 1) : 0}
                    className="fill-accent"
                  />
                  {index % ticksEvery === 0 && (
                    <text
                      aria-hidden="true"
                      x={`${(index + 0.5) * width}%`}
                      y={plotHeight + 16}
                      textAnchor="middle"
                      className="fill-muted text-[11px]"
                    >
                      {bar.tick}
                    </text>
                  )}
                </g>
              ))}
              {line && (
                <line
                  x1="0"
                  x2="100%"
                  y1={yOf(line.value)}
                  y2={yOf(line.value)}
                  strokeDasharray="4 4"
                  className="pointer-events-none stroke-warn"
                />
              )}
            </svg>
          </svg>
          {hovered !== null && bars[hovered] && (
            <Tooltip
              bar={bars[hovered]}
              at={(hovered + 0.5) / bars.length}
              y={yOf(bars[hovered].value)}
            />
          )}
        </div>
      </div>
      {line && <Legend text={`${line.label}: ${formatValue(line.value)}`} />}
    </figure>
  );
}

function AxisLabels({
  values,
  yOf,
  format,
}: {
  values: readonly number[];
  yOf: (value: number) => number;
  format: (value: number) => string;
}): ReactElement {
  return (
    <div aria-hidden="true" className="relative w-11 shrink-0 text-[11px] text-muted">
      {values.map((value) => (
        <span
          key={value}
          className="absolute right-0 -translate-y-1/2 tabular-nums"
          style={{ top: yOf(value) + 8 }}
        >
          {format(value)}
        </span>
      ))}
    </div>
  );
}

/** The explanation of the dashed line. */
function Legend({ text }: { text: string }): ReactElement {
  return (
    <p aria-hidden="true" className="flex items-center gap-2 text-[13px] text-muted">
      <svg width="24" height="2" className="shrink-0">
        <line x2="24" y1="1" y2="1" strokeDasharray="4 4" strokeWidth="2" className="stroke-warn" />
      </svg>
      {text}
    </p>
  );
}

/** Centered over its bar; shifted inwards near the edges of the chart. */
function Tooltip({ bar, at, y }: { bar: Bar; at: number; y: number }): ReactElement {
  return (
    <div
      aria-hidden="true"
      className="pointer-events-none absolute z-10 w-max max-w-48 rounded-md border border-line bg-surface px-2.5 py-1.5 text-[13px] shadow-floating"
      style={{ left: `${at * 100}%`, top: y, transform: `translate(${-at * 100}%, -100%)` }}
    >
      <div className="font-medium">{bar.name}</div>
      <div className="text-muted">{bar.text}</div>
    </div>
  );
}
