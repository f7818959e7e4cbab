import { Tabs as Radix } from "radix-ui";
import { type ReactElement, type ReactNode, useEffect, useRef } from "react";
import { afterPaint } from "./deferred-render.js";

interface TabsProps<Name extends string> {
  label: string;
  value: Name;
  onChange: (value: Name) => void;
  tabs: readonly { value: Name; label: string; content: ReactNode }[];
}

/**
 * Tabs controlled by the address. Arrow keys move the focus, Enter selects: focus alone must not change
 * the tab, since it may only return to it.
 */
export function Tabs<Name extends string>({
  label,
  value,
  onChange,
  tabs,
}: TabsProps<Name>): ReactElement {
  const list = useRef<HTMLDivElement>(null);
  // On a phone the selected tab may be outside the viewport.
  useEffect(() => afterPaint(() => list.current && showTab(list.current, value)), [value]);
  return (
    <Radix.Root
      activationMode="manual"
      value={value}
      onValueChange={(next) => onChange(next as Name)}
    >
      <Radix.List
        ref={list}
        aria-label={label}
        className="flex overflow-x-auto border-b border-line sm:gap-1"
      >
        {tabs.map((tab) => (
          <Radix.Trigger
            key={tab.value}
            value={tab.value}
            data-tab={tab.value}
            className="-mb-px rounded-t-md border-b-2 border-transparent px-2 py-2 sm:px-3 font-medium whitespace-nowrap text-muted -outline-offset-2 hover:text-ink data-[state=active]:border-accent-ink data-[state=active]:text-ink"
          >
            {tab.label}
          </Radix.Trigger>
        ))}
      </Radix.List>
      {tabs.map((tab) => (
        <Radix.Content key={tab.value} value={tab.value} className="pt-4">
          {tab.content}
        </Radix.Content>
      ))}
    </Radix.Root>
  );
}

/** Scrolls the tab list only, not the page. */
function showTab(list: HTMLElement, name: string): void {
  const chosen = list.querySelector(`[data-tab=${name}]`);
  if (!chosen) return;
  const { left, right } = list.getBoundingClientRect();
  const at = chosen.getBoundingClientRect();
  if (at.left < left) list.scrollBy({ left: at.left - left });
  else if (at.right > right) list.scrollBy({ left: at.right - right });
}
