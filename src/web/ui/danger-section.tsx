import type { ReactElement, ReactNode } from "react";

interface DangerSectionProps {
  title: string;
  description: string;
  children: ReactNode;
}

/** One act of a danger zone: what it does on the left, its button on the right. */
export function DangerSection({ title, description, children }: DangerSectionProps): ReactElement {
  return (
    <section className="grid gap-x-8 gap-y-3 py-4 first:pt-0 last:pb-0 md:grid-cols-[minmax(0,2fr)_minmax(0,3fr)]">
      <div>
        <h3 className="font-medium">{title}</h3>
        <p className="text-[13px] text-muted">{description}</p>
      </div>
      <div className="min-w-0">{children}</div>
    </section>
  );
}
