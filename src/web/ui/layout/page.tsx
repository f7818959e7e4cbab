import {
  Children,
  isValidElement,
  type ReactElement,
  type ReactNode,
  useEffect,
  useRef,
} from "react";
import { focusPage } from "./focus.js";
import { Icon } from "../actions/icons.js";
import { PlainText, visible } from "../text/plain-text.js";

const widths = { narrow: "max-w-2xl", normal: "max-w-5xl", full: "" } as const;

interface PageProps {
  title: string;
  /** The part of the title's subject that the page shows; only screen readers hear it in the heading. */
  part?: string | undefined;
  /** Document title, if more specific than the heading. */
  documentTitle?: string;
  /** The page's breadcrumb, if shorter than the heading. */
  crumb?: string;
  /** Breadcrumbs of the ancestors, as links with keys; the page's own is added. */
  crumbs?: readonly ReactNode[];
  description?: ReactNode;
  actions?: ReactNode;
  /** Forms are narrow for readability, code gets the full width. */
  width?: keyof typeof widths;
  children: ReactNode;
}

/**
 * A breadcrumb whose name is loading. All breadcrumbs are hidden until it is known, to avoid a layout
 * shift.
 */
export function UnknownCrumb(): ReactElement {
  return <span data-unknown="">…</span>;
}

/** A page's frame: document title, breadcrumbs, heading, actions and content. */
export function Page(props: PageProps): ReactElement {
  const { title, crumbs = [], width = "normal" } = props;
  const heading = useRef<HTMLHeadingElement>(null);
  // If the viewer focused the page before its title was known, announce the title now.
  const heard = useRef<string>(undefined);
  useEffect(() => {
    if (heard.current === title) return;
    heard.current = title;
    const { activeElement } = document;
    if (activeElement === heading.current) heading.current?.blur();
    else if (activeElement?.tagName !== "MAIN") return;
    focusPage();
  }, [title]);
  return (
    <div className={`mx-auto flex w-full flex-col gap-5 ${widths[width]}`}>
      <title>{`${visible(props.documentTitle ?? title)} · Omoi`}</title>
      <header className="flex flex-col gap-2">
        {crumbs.length > 0 && (
          <nav aria-label="Breadcrumbs" className="print:hidden">
            <ol className="flex min-w-0 has-data-unknown:invisible flex-wrap items-center gap-1 text-[13px] text-muted [&_a:hover]:text-ink [&_a:hover]:underline">
              {Children.toArray(crumbs).map((crumb) => (
                <li
                  key={isValidElement(crumb) ? crumb.key : null}
                  className="inline-flex min-h-6 max-w-full min-w-0 items-center gap-1"
                >
                  <span className="max-w-64 min-w-0 truncate">{crumb}</span>
                  <Icon name="chevronRight" className="!size-3" />
                </li>
              ))}
              <li aria-current="page" className="min-w-0 truncate">
                <PlainText value={props.crumb ?? title} />
              </li>
            </ol>
          </nav>
        )}
        <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-3">
          <div className="min-w-0">
            <h1
              ref={heading}
              className="line-clamp-3 text-xl leading-8 font-semibold tracking-tight wrap-anywhere"
            >
              <PlainText value={title} />
              {props.part !== undefined && <span className="sr-only"> – {props.part}</span>}
            </h1>
            {props.description && <div className="text-muted">{props.description}</div>}
          </div>
          {props.actions && (
            <div className="flex flex-wrap items-center gap-2 print:hidden">{props.actions}</div>
          )}
        </div>
      </header>
      {props.children}
    </div>
  );
}
