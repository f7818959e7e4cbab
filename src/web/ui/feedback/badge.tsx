import type { ReactElement, ReactNode } from "react";

export type Tone = "neutral" | "good" | "warn" | "bad" | "accent";

const badges: Record<Tone, string> = {
  neutral: "bg-sunken text-muted",
  good: "bg-good-soft text-good",
  warn: "bg-warn-soft text-warn",
  bad: "bg-bad-soft text-bad",
  accent: "bg-accent-soft text-accent-ink",
};

export function Badge({
  tone = "neutral",
  children,
}: {
  tone?: Tone;
  children: ReactNode;
}): ReactElement {
  return (
    <span
      className={`inline-flex h-5 items-center rounded px-1.5 text-xs font-medium whitespace-nowrap ${badges[tone]}`}
    >
      {children}
    </span>
  );
}

const dots: Record<Tone, string> = {
  neutral: "text-muted",
  good: "text-good",
  warn: "text-warn",
  bad: "text-bad",
  accent: "text-accent-ink",
};

/** "● Active": the word states the status, the dot is decorative. */
export function StatusDot({ tone, children }: { tone: Tone; children: ReactNode }): ReactElement {
  return (
    <span className="inline-flex items-center gap-1.5 align-bottom sm:whitespace-nowrap">
      <span aria-hidden="true" className={`text-[10px] leading-none ${dots[tone]}`}>
        ●
      </span>
      {children}
    </span>
  );
}
