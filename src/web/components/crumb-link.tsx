import { createLink } from "@tanstack/react-router";
import type { ComponentProps, ReactElement } from "react";

/** The router calls every page above the current one current too; in a trail only the last one is. */
function PlainAnchor({
  "aria-current": _current,
  children,
  ...rest
}: ComponentProps<"a">): ReactElement {
  return <a {...rest}>{children}</a>;
}

/** A link to a page above this one, for breadcrumbs. */
export const CrumbLink = createLink(PlainAnchor);
