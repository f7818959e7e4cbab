import { type FocusEvent, type ReactElement, useEffect, useRef, useSyncExternalStore } from "react";
import { Button, IconButton } from "../actions/button.js";
import { rememberFocus } from "../layout/focus.js";
import { Icon } from "../actions/icons.js";

interface Toast {
  id: number;
  /** `announced` is for screen readers only, if the page already shows the text. */
  tone: "good" | "bad" | "announced";
  text: string;
  /** Reverts the action. */
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

function add(tone: Toast["tone"], text: string, undo?: () => void): number {
  lastId += 1;
  const seen = toasts.filter((toast) => toast.tone !== "announced");
  const oldest = tone !== "announced" && seen.length > 3 ? seen[0] : undefined;
  update([...toasts.filter((toast) => toast !== oldest), { id: lastId, tone, text, undo }]);
  return lastId;
}

/** Dismisses a toast after its time, unless it is hovered or focused. */
function dismissAfter(ms: number, id: number): void {
  setTimeout(() => {
    const isInUse = document.querySelector(`[data-toast="${id}"]:is(:hover, :focus-within)`);
    if (isInUse) dismissAfter(ms, id);
    else dismiss(id);
  }, ms);
}

/**
 * Shows a toast and announces it. Successes disappear automatically, later if they can be undone;
 * errors stay.
 */
export function notify(text: string, tone: "good" | "bad" = "good", undo?: () => void): void {
  const id = add(tone, text, undo);
  if (tone === "good") dismissAfter(undo ? 20_000 : 5000, id);
}

/** Announces to screen readers a text that the page shows; duplicates are dropped. */
export function announce(text: string): void {
  if (toasts.some((toast) => toast.tone === "announced" && toast.text === text)) return;
  dismissAfter(5000, add("announced", text));
}

/**
 * Announces a state that changes while it is shown.
 * @param of id of the resource; a switch to another resource is not announced
 * @param text announcement of the current state; undefined for none
 */
export function useAnnounceChange(
  of: string,
  state: string | undefined,
  text: string | undefined,
): void {
  const before = useRef({ of, state });
  useEffect(() => {
    const isChanged = before.current.of === of && before.current.state !== state;
    if (isChanged && before.current.state !== undefined && text !== undefined) announce(text);
    before.current = { of, state };
  }, [of, state, text]);
}

/** Focuses the newest toast, whose buttons are last in the document. */
const key = "F8";

function focusNewest(event: KeyboardEvent): void {
  if (event.key !== key || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  // A dialog traps the focus.
  if (document.querySelector("[role=dialog]")) return;
  const button = document.querySelector<HTMLElement>("[data-toast]:last-of-type button");
  if (button === null) return;
  event.preventDefault();
  button.focus();
}

/**
 * The live region; mounted once at the root, since screen readers only announce additions to an
 * existing region.
 */
export function Toasts(): ReactElement {
  const goBack = useRef<() => void>(undefined);
  const current = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  useEffect(() => {
    document.addEventListener("keydown", focusNewest);
    return () => document.removeEventListener("keydown", focusNewest);
  }, []);
  const newest = current.findLast(({ tone }) => tone !== "announced");
  const handleFocus = ({ currentTarget, relatedTarget }: FocusEvent): void => {
    if (!currentTarget.contains(relatedTarget)) goBack.current = rememberFocus(relatedTarget);
  };
  /** If the toast has the focus, return it to the previous element. */
  const close = (id: number): void => {
    const isFocused = document.activeElement?.closest(`[data-toast="${id}"]`);
    dismiss(id);
    if (isFocused) goBack.current?.();
  };
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- handles events that bubble from its buttons
    <output
      aria-live="polite"
      aria-atomic="false"
      aria-relevant="additions"
      onFocus={handleFocus}
      onKeyDown={({ key: pressed }) => pressed === "Escape" && goBack.current?.()}
      className="pointer-events-none fixed inset-x-4 print:hidden bottom-4 z-50 flex flex-col items-center gap-2 sm:left-auto sm:items-end"
    >
      {current.map((toast) =>
        toast.tone === "announced" ? (
          <p key={toast.id} className="sr-only">
            {toast.text}
          </p>
        ) : (
          <div
            key={toast.id}
            data-toast={toast.id}
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
                  close(toast.id);
                }}
                {...(toast === newest && { "aria-keyshortcuts": key })}
              >
                Undo
                {toast === newest && (
                  <kbd
                    aria-hidden
                    title={`${key} leads here`}
                    className="hidden rounded border border-line px-1.5 font-mono text-xs leading-4.5 sm:inline"
                  >
                    {key}
                  </kbd>
                )}
              </Button>
            )}
            <IconButton label="Dismiss" icon="close" onClick={() => close(toast.id)} />
          </div>
        ),
      )}
    </output>
  );
}
