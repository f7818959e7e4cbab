import {
  cloneElement,
  type ComponentProps,
  type ComponentType,
  type KeyboardEvent,
  lazy,
  type ReactElement,
  Suspense,
  useState,
} from "react";

type Trigger = ReactElement<ComponentProps<"button">>;
type MenuComponent = ComponentType<{ trigger: Trigger }>;

/**
 * A menu whose code (a tenth of a page's) is fetched when somebody reaches for it: on hovering or
 * focusing its trigger, and opened by the first click. The component loaded renders a `Menu`, which
 * opens as it appears, around the same trigger.
 */
export function deferMenu(load: () => Promise<MenuComponent>): ComponentType<{ trigger: Trigger }> {
  const Loaded = lazy(async () => ({ default: await load() }));
  const preload = (): void => void load().catch(() => {});

  return function DeferredMenu({ trigger }: { trigger: Trigger }): ReactElement {
    const [isWanted, setWanted] = useState(false);
    const closed = cloneElement(trigger, {
      "aria-haspopup": trigger.props["aria-haspopup"] ?? "menu",
      "aria-expanded": false,
      onPointerEnter: preload,
      onFocus: preload,
      onClick: () => setWanted(true),
      onKeyDown: (event: KeyboardEvent) => {
        if (event.key === "ArrowDown") setWanted(true);
      },
    });
    if (!isWanted) return closed;
    return (
      <Suspense fallback={closed}>
        <Loaded trigger={trigger} />
      </Suspense>
    );
  };
}
