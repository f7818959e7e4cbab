import type { ReactElement, ReactNode } from "react";

interface CardProps {
  title?: ReactNode;
  actions?: ReactNode;
  footer?: ReactNode;
  children?: ReactNode;
  /** Heading level; a card in a list is one level below its section. */
  level?: 2 | 3;
  /** `bad` marks operations that cannot easily be undone. */
  tone?: "plain" | "bad";
  /** Content without a margin, such as a table. */
  isFlush?: boolean;
}

export function Card({
  title,
  actions,
  footer,
  children,
  level = 2,
  tone = "plain",
  isFlush = false,
}: CardProps): ReactElement {
  const Heading = `h${level}` as const;
  return (
    <section
      className={`min-w-0 rounded-lg border bg-surface shadow-raised ${tone === "bad" ? "border-bad" : "border-line"}`}
    >
      {title !== undefined && (
        <header className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2 border-b border-line px-4 py-2.5">
          <Heading className="min-w-0 font-semibold">{title}</Heading>
          {actions && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
        </header>
      )}
      {children !== undefined && <div className={isFlush ? "" : "p-4"}>{children}</div>}
      {footer && (
        <footer className="flex flex-wrap items-center gap-2 border-t border-line px-4 py-3">
          {footer}
        </footer>
      )}
    </section>
  );
}

/** Values by label, in display order. */
export type Rows = Readonly<Record<string, ReactNode>>;

/** "Label: value" rows, in one column or two. */
export function Details({ rows, columns = 1 }: { rows: Rows; columns?: 1 | 2 }): ReactElement {
  return (
    <dl className={`grid gap-x-8 gap-y-2 ${columns === 2 ? "md:grid-cols-2" : ""}`}>
      {Object.entries(rows).map(([label, value]) => (
        <div key={label} className="grid min-w-0 grid-cols-[8.5rem_minmax(0,1fr)] gap-2">
          <dt className="text-muted">{label}:</dt>
          <dd className="min-w-0 [overflow-wrap:anywhere]">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
