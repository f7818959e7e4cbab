import {
  cloneElement,
  type ComponentProps,
  type ComponentType,
  type KeyboardEvent,
  lazy,
  type ReactElement,
  startTransition,
  Suspense,
  useState,
} from "react";
import { loadPart } from "../../hooks/connection.js";

type Trigger = ReactElement<ComponentProps<"button">>;
type MenuComponent = ComponentType<{ trigger: Trigger }>;

/**
 * A menu whose code (a tenth of a page's) loads when its trigger is hovered or focused; the first click
 * opens it. The loaded component renders a `Menu` around the same trigger, open from the start.
 */
export function deferMenu(load: () => Promise<MenuComponent>): ComponentType<{ trigger: Trigger }> {
  const Loaded = lazy(async () => ({ default: await loadPart(load) }));
  const preload = (): void => void load().catch(() => {});

  return function DeferredMenu({ trigger }: { trigger: Trigger }): ReactElement {
    const [isWanted, setWanted] = useState(false);
    // In a transition the trigger stays mounted and focused until the code has loaded.
    const open = (): void => startTransition(() => setWanted(true));
    const closed = cloneElement(trigger, {
      "aria-haspopup": trigger.props["aria-haspopup"] ?? "menu",
      "aria-expanded": false,
      onPointerEnter: preload,
      onFocus: preload,
      onClick: open,
      onKeyDown: (event: KeyboardEvent) => {
        if (event.key === "ArrowDown") open();
      },
    });
    return (
      <Suspense fallback={closed}>{isWanted ? <Loaded trigger={trigger} /> : closed}</Suspense>
    );
  };
}
