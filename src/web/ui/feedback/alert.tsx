import type { ReactElement, ReactNode } from "react";
import { Icon } from "../actions/icons.js";

const tones = {
  bad: "bg-bad-soft text-bad",
  warn: "bg-warn-soft text-warn",
  good: "bg-good-soft text-good",
  info: "bg-sunken text-muted",
} as const;

interface AlertProps {
  tone?: keyof typeof tones;
  /** Announced at once by screen readers; for the outcome of an action. */
  live?: boolean;
  children: ReactNode;
}

export function Alert({ tone = "bad", live = false, children }: AlertProps): ReactElement {
  return (
    <div
      {...(live ? { role: "alert" } : {})}
      className={`flex items-start gap-2.5 rounded-md px-3 py-2 forced-colors:border ${tones[tone]}`}
    >
      <span className="mt-0.5">
        <Icon name={tone === "info" ? "info" : tone === "good" ? "check" : "warning"} />
      </span>
      <div className="min-w-0 flex-1 [overflow-wrap:anywhere]">{children}</div>
    </div>
  );
}
