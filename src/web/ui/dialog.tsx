import { Dialog as Radix } from "radix-ui";
import { type ReactElement, type ReactNode, useRef, useState } from "react";
import { Alert } from "./alert.js";
import { Button, IconButton } from "./button.js";
import { UnsavedScope } from "./unsaved.js";

interface DialogProps {
  isOpen: boolean;
  onClose: () => void;
  title: string;
  description?: ReactNode;
  width?: keyof typeof widths;
  children: ReactNode;
}

const widths = { normal: "max-w-lg", wide: "max-w-2xl" } as const;

/**
 * Ours and not Radix's: that one locks scrolling by an inline style sheet, which a strict content
 * security policy refuses. This one keeps the page still by scrolling itself, if only by a pixel.
 */
export const overlay =
  "fixed inset-0 z-40 overflow-y-scroll overscroll-contain bg-scrim [scrollbar-width:none]";

const fields = "input:not([type=hidden], [hidden]), select, textarea";

/**
 * Where the focus goes: to the first field, since that is what a dialog with one is for. And where it
 * goes back to: Radix knows it only for dialogs opened by a trigger of its own.
 */
export function useReturnFocus(): {
  onOpenAutoFocus: (event: Event) => void;
  onCloseAutoFocus: (event: Event) => void;
} {
  const opener = useRef<Element | null>(null);
  return {
    onOpenAutoFocus: (event) => {
      opener.current = document.activeElement;
      const field =
        event.target instanceof HTMLElement && event.target.querySelector<HTMLElement>(fields);
      if (!field) return;
      event.preventDefault();
      field.focus();
    },
    onCloseAutoFocus: (event) => {
      event.preventDefault();
      if (opener.current instanceof HTMLElement && opener.current.isConnected) {
        opener.current.focus();
      } else {
        // What opened it is gone with what was removed: then it is the page's content.
        document.querySelector("main")?.focus({ preventScroll: true });
      }
    },
  };
}

/** A modal dialog. Escape, a click outside and its cross ask first where something typed would go. */
export function Dialog({
  isOpen,
  onClose,
  title,
  description,
  width = "normal",
  children,
}: DialogProps): ReactElement {
  const returnFocus = useReturnFocus();
  const [unsaved] = useState(() => new Set<string>());
  const [isAsking, setAsking] = useState(false);
  const handleOpenChange = (open: boolean): void => {
    if (open) return;
    if (unsaved.size > 0) setAsking(true);
    else onClose();
  };
  return (
    <Radix.Root open={isOpen} onOpenChange={handleOpenChange}>
      <Radix.Portal>
        <div className={overlay}>
          <div className="grid min-h-[calc(100%+1px)] items-start justify-items-center p-4 sm:pt-[10vh]">
            <Radix.Content
              {...returnFocus}
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
              <div className="px-5 pt-4 pb-5">
                <UnsavedScope value={unsaved}>{children}</UnsavedScope>
                {isAsking && (
                  <DiscardDialog
                    onStay={() => setAsking(false)}
                    onDiscard={() => {
                      setAsking(false);
                      onClose();
                    }}
                  />
                )}
              </div>
            </Radix.Content>
          </div>
        </div>
      </Radix.Portal>
    </Radix.Root>
  );
}

/** A panel from the left edge: the menu on a phone. */
export function Sheet({
  isOpen,
  onClose,
  title,
  children,
}: Omit<DialogProps, "description" | "width">): ReactElement {
  const returnFocus = useReturnFocus();
  return (
    <Radix.Root open={isOpen} onOpenChange={(open) => !open && onClose()}>
      <Radix.Portal>
        <div className={overlay}>
          <Radix.Content
            {...returnFocus}
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

interface ConfirmProps {
  isOpen: boolean;
  onClose: () => void;
  title: string;
  children: ReactNode;
  action: string;
  pending: boolean;
  onConfirm: () => void;
  /** Why it was refused, where that is not a toast. */
  error?: Error | null;
}

/** Asks before something that cannot be undone. */
export function ConfirmDialog(props: ConfirmProps): ReactElement {
  return (
    <Dialog
      isOpen={props.isOpen}
      onClose={props.onClose}
      title={props.title}
      description={props.children}
    >
      {props.error && (
        <div className="mb-4">
          <Alert live>{props.error.message}</Alert>
        </div>
      )}
      <DialogActions>
        <Button onClick={props.onClose}>Cancel</Button>
        <Button variant="danger" pending={props.pending} onClick={props.onConfirm}>
          {props.action}
        </Button>
      </DialogActions>
    </Dialog>
  );
}

/** Asked before something typed is lost. */
export function DiscardDialog({
  onStay,
  onDiscard,
}: {
  onStay: () => void;
  onDiscard: () => void;
}): ReactElement {
  return (
    <Dialog
      isOpen
      onClose={onStay}
      title="Discard what you typed?"
      description="It was not saved, and is lost when you leave."
    >
      <DialogActions>
        <Button onClick={onStay}>Keep editing</Button>
        <Button variant="danger" onClick={onDiscard}>
          Discard
        </Button>
      </DialogActions>
    </Dialog>
  );
}

export function DialogActions({ children }: { children: ReactNode }): ReactElement {
  return <div className="flex flex-wrap justify-end gap-2">{children}</div>;
}
