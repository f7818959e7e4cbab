import { createLink } from "@tanstack/react-router";
import type { ComponentProps, ReactElement } from "react";

/** The router marks all ancestors as current too; in breadcrumbs only the last link is. */
function PlainAnchor({
  "aria-current": _current,
  children,
  ...rest
}: ComponentProps<"a">): ReactElement {
  return <a {...rest}>{children}</a>;
}

/** A breadcrumb that links to an ancestor page. */
export const CrumbLink = createLink(PlainAnchor);
