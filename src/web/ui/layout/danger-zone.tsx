import type { ReactElement, ReactNode } from "react";
import { Card } from "./card.js";

/** Irreversible or far-reaching operations: a card of `ActionRow`s at the end of a page. */
export function DangerZone({ children }: { children: ReactNode }): ReactElement {
  return (
    <Card title="Danger zone" tone="bad">
      <ActionRows>{children}</ActionRows>
    </Card>
  );
}

/** A list of `ActionRow`s with separators. */
export function ActionRows({ children }: { children: ReactNode }): ReactElement {
  return <div className="flex flex-col divide-y divide-line">{children}</div>;
}

interface ActionRowProps {
  title: string;
  description: string;
  /** The button. */
  children: ReactNode;
}

/** One operation: its effect on the left, its button on the right. */
export function ActionRow({ title, description, children }: ActionRowProps): ReactElement {
  return (
    <section className="grid gap-x-8 gap-y-3 py-4 first:pt-0 last:pb-0 md:grid-cols-[minmax(0,2fr)_minmax(0,3fr)]">
      <div>
        <h3 className="font-medium">{title}</h3>
        <p className="text-[13px] text-muted">{description}</p>
      </div>
      <div className="flex min-w-0 flex-col items-start md:items-end">{children}</div>
    </section>
  );
}
