import { type FocusEvent, type ReactElement, useEffect, useRef, useSyncExternalStore } from "react";
import { Button, IconButton } from "./button.js";
import { rememberFocus } from "./focus.js";
import { Icon } from "./icons.js";

interface Toast {
  id: number;
  /** `told` is for screen readers alone: eyes see it on the page. */
  tone: "good" | "bad" | "told";
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

function add(tone: Toast["tone"], text: string, undo?: () => void): number {
  lastId += 1;
  const seen = toasts.filter((toast) => toast.tone !== "told");
  const oldest = tone !== "told" && seen.length > 3 ? seen[0] : undefined;
  update([...toasts.filter((toast) => toast !== oldest), { id: lastId, tone, text, undo }]);
  return lastId;
}

/** Lets it go when its time is over; not from under the pointer or the focus. */
function leaveAfter(ms: number, id: number): void {
  setTimeout(() => {
    const isInUse = document.querySelector(`[data-toast="${id}"]:is(:hover, :focus-within)`);
    if (isInUse) leaveAfter(ms, id);
    else dismiss(id);
  }, ms);
}

/**
 * Says what happened, to eyes and to screen readers. Good news leaves by itself, later where it can be
 * undone; bad news stays.
 */
export function notify(text: string, tone: "good" | "bad" = "good", undo?: () => void): void {
  const id = add(tone, text, undo);
  if (tone === "good") leaveAfter(undo ? 20_000 : 5000, id);
}

/** Tells screen readers what eyes see on the page: once, where several parts have the same to say. */
export function tell(text: string): void {
  if (toasts.some((toast) => toast.tone === "told" && toast.text === text)) return;
  leaveAfter(5000, add("told", text));
}

/**
 * Tells screen readers of a state that has changed by itself while it was looked at.
 * @param of The id of what is in the state; another one's state is no change.
 * @param text What is told of the state it is in now; undefined where that is nothing to tell.
 */
export function useTold(of: string, state: string | undefined, text: string | undefined): void {
  const before = useRef({ of, state });
  useEffect(() => {
    const isChanged = before.current.of === of && before.current.state !== state;
    if (isChanged && before.current.state !== undefined && text !== undefined) tell(text);
    before.current = { of, state };
  }, [of, state, text]);
}

/** Leads to the newest one: its buttons stand after all of the page. */
const key = "F8";

function focusNewest(event: KeyboardEvent): void {
  if (event.key !== key || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  // A dialog keeps the focus within itself.
  if (document.querySelector("[role=dialog]")) return;
  const button = document.querySelector<HTMLElement>("[data-toast]:last-of-type button");
  if (button === null) return;
  event.preventDefault();
  button.focus();
}

/**
 * The live region; once, at the root, and always there so that it is announced. What is added is read,
 * not what stands there already.
 */
export function Toasts(): ReactElement {
  const goBack = useRef<() => void>(undefined);
  const shown = useSyncExternalStore(
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
  const newest = shown.findLast(({ tone }) => tone !== "told");
  const handleFocus = ({ currentTarget, relatedTarget }: FocusEvent): void => {
    if (!currentTarget.contains(relatedTarget)) goBack.current = rememberFocus(relatedTarget);
  };
  /** With the focus in it, that goes back to where it came from. */
  const close = (id: number): void => {
    const isFocused = document.activeElement?.closest(`[data-toast="${id}"]`);
    dismiss(id);
    if (isFocused) goBack.current?.();
  };
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- what bubbles from its buttons
    <output
      aria-live="polite"
      aria-atomic="false"
      aria-relevant="additions"
      onFocus={handleFocus}
      onKeyDown={({ key: pressed }) => pressed === "Escape" && goBack.current?.()}
      className="pointer-events-none fixed inset-x-4 print:hidden bottom-4 z-50 flex flex-col items-center gap-2 sm:left-auto sm:items-end"
    >
      {shown.map((toast) =>
        toast.tone === "told" ? (
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
