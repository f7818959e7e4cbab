import { Link } from "@tanstack/react-router";
import type { ComponentProps, ReactElement, ReactNode } from "react";
import { Card } from "../../../../ui/layout/card.js";

interface SummaryCardProps {
  title: string;
  /** The page with the whole list, and how the link to it is named. */
  whole: Pick<ComponentProps<typeof Link>, "to"> & { label: ReactNode };
  actions?: ReactNode;
  children: ReactNode;
}

/** The few most important entries of a list that has a page of its own. */
export function SummaryCard({
  title,
  whole: { label, ...link },
  actions,
  children,
}: SummaryCardProps): ReactElement {
  return (
    <Card
      title={title}
      actions={
        <>
          <Link
            {...link}
            className="inline-flex min-h-6 items-center text-[13px] text-accent-ink hover:underline"
          >
            {label}
          </Link>
          {actions}
        </>
      }
    >
      {children}
    </Card>
  );
}

/** Entries of a summary, divided by lines. */
export function SummaryList({
  label,
  children,
}: {
  label: string;
  children: ReactNode;
}): ReactElement {
  return (
    <ul aria-label={label} className="-my-2 divide-y divide-line">
      {children}
    </ul>
  );
}
