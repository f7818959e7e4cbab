import { Link } from "@tanstack/react-router";
import { type ComponentProps, type ReactElement, useEffect, useRef } from "react";
import { afterPaint } from "../ui/layout/deferred-render.js";
import { showTab, tabClass, tabListClass } from "../ui/layout/tab-list.js";

interface PageTabsProps<Name extends string> {
  label: string;
  current: Name;
  tabs: readonly { name: Name; label: string; link: Pick<ComponentProps<typeof Link>, "to"> }[];
}

/**
 * Tabs that are pages with addresses of their own, and therefore links in a navigation: they open in a
 * browser tab, and the back button returns to the previous one.
 */
export function PageTabs<Name extends string>({
  label,
  current,
  tabs,
}: PageTabsProps<Name>): ReactElement {
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => afterPaint(() => list.current && showTab(list.current, current)), [current]);
  return (
    <nav aria-label={label} className="print:hidden">
      <ul ref={list} className={tabListClass}>
        {tabs.map((tab) => (
          <li key={tab.name} className="flex">
            <Link
              {...tab.link}
              data-tab={tab.name}
              aria-current={tab.name === current ? "page" : undefined}
              activeOptions={{ exact: true, includeSearch: false }}
              className={tabClass}
            >
              {tab.label}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}
