import { Tabs as Radix } from "radix-ui";
import { type ReactElement, type ReactNode, useEffect, useRef } from "react";
import { afterPaint } from "./deferred-render.js";
import { showTab, tabClass, tabListClass } from "./tab-list.js";

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
  value: wanted,
  onChange,
  tabs,
}: TabsProps<Name>): ReactElement {
  // An address may name a tab that does not exist.
  const value = tabs.some((tab) => tab.value === wanted) ? wanted : (tabs[0]?.value ?? wanted);
  const list = useRef<HTMLDivElement>(null);
  // On a phone the selected tab may be outside the viewport.
  useEffect(() => afterPaint(() => list.current && showTab(list.current, value)), [value]);
  return (
    <Radix.Root
      activationMode="manual"
      value={value}
      onValueChange={(next) => onChange(next as Name)}
    >
      <Radix.List ref={list} aria-label={label} className={tabListClass}>
        {tabs.map((tab) => (
          <Radix.Trigger
            key={tab.value}
            value={tab.value}
            data-tab={tab.value}
            className={tabClass}
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
