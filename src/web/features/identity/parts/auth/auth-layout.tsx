import type { ReactElement, ReactNode } from "react";
import { sitePath } from "#shared/site-path.js";
import { Brand } from "../../../../components/brand.js";

/** Layout of the pages before sign-in. */
export function AuthLayout({
  title,
  lead,
  children,
  footer = null,
}: {
  title: string;
  lead: string;
  children: ReactNode;
  footer?: ReactNode;
}): ReactElement {
  return (
    <main className="mx-auto flex min-h-dvh w-full max-w-sm flex-col justify-center gap-6 px-4 py-10">
      <title>{`${title} · Omoi`}</title>
      <Brand />
      <div>
        <h1 className="text-xl font-semibold tracking-tight">{title}</h1>
        <p className="mt-1 text-muted">{lead}</p>
      </div>
      <div className="rounded-lg border border-line bg-surface p-5 shadow-raised">{children}</div>
      {footer && <p className="text-muted">{footer}</p>}
    </main>
  );
}

/**
 * Returns the path to open after sign-in: the requested page, or the organizations. Only paths of this
 * app, to prevent open redirects.
 */
export function destinationOf(redirect: string | undefined, otherwise = "/"): string {
  const path = sitePath(redirect ?? "");
  const isElsewhere = path !== null && !/^\/((login|register)([?#]|$)|$)/.test(path);
  return isElsewhere ? path : otherwise;
}
