import { Dialog as Radix } from "radix-ui";
import { type ComponentProps, type ReactElement, type ReactNode, useRef } from "react";
import { IconButton } from "../actions/button.js";
import { rememberFocus } from "../layout/focus.js";

export interface FrameProps {
  onClose: () => void;
  title: string;
  description?: ReactNode;
  width?: "normal" | "wide";
  children: ReactNode;
}

const widths = { normal: "max-w-lg", wide: "max-w-2xl" } as const;

/**
 * Replaces Radix's overlay, which locks scrolling by an inline style sheet that the content security
 * policy blocks. This one captures scrolling: it is a pixel higher than its container.
 */
export const overlay =
  "fixed inset-0 z-40 overflow-y-scroll overscroll-contain bg-scrim [scrollbar-width:none]";

const fields = "input:not([type=hidden], [hidden]), select, textarea";

/**
 * Focus management. A dialog focuses its first field, or what has `data-first-focus`. On close, the focus returns to where it was,
 * which Radix only does for its own triggers. Clicks on toasts (toast.tsx) do not close the dialog.
 */
export function useModal(): Pick<
  ComponentProps<typeof Radix.Content>,
  "onOpenAutoFocus" | "onCloseAutoFocus" | "onInteractOutside"
> {
  const giveBack = useRef<() => void>(undefined);
  return {
    onOpenAutoFocus: (event) => {
      giveBack.current = rememberFocus(document.activeElement);
      const field =
        event.target instanceof HTMLElement &&
        (event.target.querySelector<HTMLElement>("[data-first-focus]") ??
          event.target.querySelector<HTMLElement>(fields));
      if (!field) return;
      event.preventDefault();
      field.focus();
    },
    onCloseAutoFocus: (event) => {
      event.preventDefault();
      giveBack.current?.();
    },
    onInteractOutside: (event) => {
      const { target } = event;
      if (target instanceof Element && target.closest("[aria-live]")) event.preventDefault();
    },
  };
}

/** The frame of a modal dialog; loaded when the first one opens (dialog.tsx). */
export function DialogFrame({
  onClose,
  title,
  description,
  width = "normal",
  children,
}: FrameProps): ReactElement {
  const modal = useModal();
  return (
    <Radix.Root open onOpenChange={(open) => !open && onClose()}>
      <Radix.Portal>
        <div className={overlay}>
          <div className="grid min-h-[calc(100%+1px)] items-start justify-items-center p-4 sm:pt-[10vh]">
            <Radix.Content
              {...modal}
              {...(description ? {} : { "aria-describedby": undefined })}
              className={`pointer-events-auto w-full rounded-xl border border-line bg-surface shadow-floating ${widths[width]}`}
            >
              <header className="flex items-start justify-between gap-4 px-5 pt-4">
                <div className="min-w-0">
                  <Radix.Title className="text-base font-semibold">{title}</Radix.Title>
                  {description && (
                    <Radix.Description asChild>
                      <div className="mt-1 text-muted">{description}</div>
                    </Radix.Description>
                  )}
                </div>
                <Radix.Close asChild>
                  <IconButton label="Close" icon="close" className="-mr-2 shrink-0" />
                </Radix.Close>
              </header>
              <div className="px-5 pt-4 pb-5">{children}</div>
            </Radix.Content>
          </div>
        </div>
      </Radix.Portal>
    </Radix.Root>
  );
}

/** A panel at the left edge: the menu on a phone. */
export function Sheet({
  onClose,
  title,
  children,
}: Omit<FrameProps, "description" | "width">): ReactElement {
  const modal = useModal();
  return (
    <Radix.Root open onOpenChange={(open) => !open && onClose()}>
      <Radix.Portal>
        <div className={overlay}>
          <Radix.Content
            {...modal}
            aria-describedby={undefined}
            className="pointer-events-auto sticky top-0 flex h-full w-72 max-w-[85vw] flex-col gap-4 border-r border-line bg-surface p-4 shadow-floating"
          >
            <header className="flex items-center justify-between">
              <Radix.Title className="font-semibold">{title}</Radix.Title>
              <Radix.Close asChild>
                <IconButton label="Close menu" icon="close" />
              </Radix.Close>
            </header>
            {children}
          </Radix.Content>
        </div>
      </Radix.Portal>
    </Radix.Root>
  );
}
