import { type ReactElement, useSyncExternalStore } from "react";
import { Button, IconButton } from "./button.js";
import { Icon } from "./icons.js";

interface Toast {
  id: number;
  tone: "good" | "bad";
  text: string;
  /** Takes back what was done. */
  undo: (() => void) | undefined;
}

const listeners = new Set<() => void>();
let toasts: readonly Toast[] = [];
let lastId = 0;

function update(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

function dismiss(id: number): void {
  update(toasts.filter((toast) => toast.id !== id));
}

/**
 * Says what happened, to eyes and to screen readers. Good news leaves by itself, later where it can be
 * undone; bad news stays.
 */
export function notify(text: string, tone: "good" | "bad" = "good", undo?: () => void): void {
  lastId += 1;
  const id = lastId;
  update([...toasts.slice(-3), { id, tone, text, undo }]);
  if (tone === "good") setTimeout(() => dismiss(id), undo ? 20_000 : 5000);
}

/** The live region; once, at the root, and always there so that it is announced. */
export function Toasts(): ReactElement {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <output
      aria-live="polite"
      className="pointer-events-none fixed inset-x-4 print:hidden bottom-4 z-50 flex flex-col items-center gap-2 sm:left-auto sm:items-end"
    >
      {shown.map((toast) => (
        <div
          key={toast.id}
          className="pointer-events-auto flex max-w-md items-start gap-2.5 rounded-lg border border-line bg-surface py-1.5 pr-1.5 pl-3.5 shadow-floating"
        >
          <span className={`mt-2 ${toast.tone === "good" ? "text-good" : "text-bad"}`}>
            <Icon name={toast.tone === "good" ? "check" : "warning"} />
          </span>
          <p className="min-w-0 py-1.5 [overflow-wrap:anywhere]">{toast.text}</p>
          {toast.undo && (
            <Button
              size="sm"
              variant="ghost"
              className="!text-accent-ink"
              onClick={() => {
                toast.undo?.();
                dismiss(toast.id);
              }}
            >
              Undo
            </Button>
          )}
          <IconButton label="Dismiss" icon="close" onClick={() => dismiss(toast.id)} />
        </div>
      ))}
    </output>
  );
}
