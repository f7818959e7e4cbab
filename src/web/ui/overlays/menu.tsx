import { DropdownMenu as Radix } from "radix-ui";
import type { ReactElement, ReactNode } from "react";
import { Icon, type IconName } from "../actions/icons.js";

interface MenuProps {
  trigger: ReactElement;
  label: string;
  align?: "start" | "end";
  children: ReactNode;
}

/**
 * Open when mounted, since it is loaded on demand (deferred-menu.tsx). Not modal: a modal menu locks
 * scrolling by an inline style sheet (see dialog.tsx).
 */
export function Menu({ trigger, label, align = "start", children }: MenuProps): ReactElement {
  return (
    <Radix.Root modal={false} defaultOpen>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          align={align}
          sideOffset={6}
          aria-label={label}
          collisionPadding={12}
          className="z-50 max-h-(--radix-dropdown-menu-content-available-height) max-w-[calc(100vw-1.5rem)] min-w-56 overflow-y-auto rounded-lg border border-line bg-surface p-1 shadow-floating"
        >
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

const itemClass =
  "flex items-center gap-2 rounded-md px-2.5 py-1.5 outline-hidden select-none cursor-pointer data-highlighted:bg-sunken";

export function MenuItem({
  icon,
  onSelect,
  children,
}: {
  icon?: IconName;
  onSelect: () => void;
  children: ReactNode;
}): ReactElement {
  return (
    <Radix.Item onSelect={onSelect} className={itemClass}>
      {icon && <Icon name={icon} className="text-muted" />}
      {children}
    </Radix.Item>
  );
}

/** A radio group in a menu; the selected item is checked. */
export function MenuChoices({
  value,
  onChange,
  choices,
}: {
  value: string | undefined;
  onChange: (value: string) => void;
  choices: readonly { value: string; label: ReactNode }[];
}): ReactElement {
  return (
    <Radix.RadioGroup {...(value === undefined ? {} : { value })} onValueChange={onChange}>
      {choices.map((choice) => (
        <Radix.RadioItem key={choice.value} value={choice.value} className={itemClass}>
          <span className="size-4 shrink-0 text-accent-ink">
            <Radix.ItemIndicator>
              <Icon name="check" />
            </Radix.ItemIndicator>
          </span>
          {choice.label}
        </Radix.RadioItem>
      ))}
    </Radix.RadioGroup>
  );
}

export function MenuHeading({ children }: { children: ReactNode }): ReactElement {
  return <Radix.Label className="px-2.5 py-1.5 text-[13px] text-muted">{children}</Radix.Label>;
}

export function MenuLine(): ReactElement {
  return <Radix.Separator className="my-1 h-px bg-line" />;
}
