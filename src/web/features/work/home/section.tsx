import type { ReactElement, ReactNode } from "react";

interface SectionProps {
  title: string;
  /** Number of rows, beside the title. */
  count?: number;
  children: ReactNode;
}

export function Section({ title, count, children }: SectionProps): ReactElement {
  return (
    <section className="flex flex-col gap-2.5">
      <h2 className="flex items-center gap-2 text-base font-semibold">
        {title}
        {count !== undefined && count > 0 && (
          <span className="rounded-full bg-sunken px-2 text-xs leading-5 font-medium text-muted tabular-nums">
            {count}
          </span>
        )}
      </h2>
      {children}
    </section>
  );
}

/** A bordered list of rows. */
export function Rows({ label, children }: { label: string; children: ReactNode }): ReactElement {
  return (
    <ul
      aria-label={label}
      className="divide-y divide-line overflow-clip rounded-lg border border-line bg-surface shadow-raised"
    >
      {children}
    </ul>
  );
}

/** A row whose link has the focus stands out for keyboard users. */
export const rowClass =
  "relative px-4 py-3 has-[[data-row-link]:focus-visible]:bg-accent-soft/60 hover:bg-canvas";
