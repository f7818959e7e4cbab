/* oxlint-disable jsx-a11y/prefer-tag-over-role -- native meters cannot be styled consistently */
import type { ReactElement } from "react";

interface MeterProps {
  label: string;
  current: number;
  limit: number;
  text: string;
}

/** A thin bar with its figures as text; amber from 80 %, red at the limit. */
export function Meter({ label, current, limit, text }: MeterProps): ReactElement {
  const share = limit > 0 ? Math.min(1, current / limit) : current > 0 ? 1 : 0;
  const color = share >= 1 ? "bg-bad" : share >= 0.8 ? "bg-warn" : "bg-accent";
  return (
    <div
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={Math.max(limit, 0)}
      aria-valuenow={Math.min(current, limit)}
      aria-valuetext={text}
      className="h-1.5 w-full overflow-hidden rounded-full bg-sunken"
    >
      <div
        className={`h-full forced-color-adjust-none rounded-full ${color}`}
        style={{ width: `${share * 100}%` }}
      />
    </div>
  );
}

/** Progress in percent. */
export function Progress({ label, percent }: { label: string; percent: number }): ReactElement {
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
      className="h-1.5 w-full overflow-hidden rounded-full bg-sunken"
    >
      <div
        className="h-full forced-color-adjust-none rounded-full bg-accent transition-[width]"
        style={{ width: `${percent}%` }}
      />
    </div>
  );
}
