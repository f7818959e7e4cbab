import { type ReactElement, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { IconButton } from "../actions/button.js";
import { Dialog } from "./dialog.js";
import { Checkbox } from "../fields/field.js";

/** A keyboard shortcut of this page. */
export interface Shortcut {
  /** The value of `KeyboardEvent.key`. */
  key: string;
  what: string;
  /** Undefined for a key that browsers handle, such as Enter on a link; it is only listed. */
  run?: () => void;
}

type Group = { name: string; shortcuts: readonly Shortcut[] };

const groups = new Map<symbol, Group>();
const listeners = new Set<() => void>();
/** Replaced on each change, as required of a store's snapshot. */
let snapshot: readonly Group[] = [];

function notifyListeners(): void {
  snapshot = [...groups.values()];
  for (const listener of listeners) listener();
}

const offKey = "shortcuts-off";

/** Single-key shortcuts can be turned off (WCAG 2.2, 2.1.4). */
function areOff(): boolean {
  try {
    return localStorage.getItem(offKey) !== null;
  } catch {
    return false;
  }
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof Element &&
    target.closest("input:not([type=checkbox],[type=radio]),textarea,select,[contenteditable]") !==
      null
  );
}

function handleKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (isTyping(event.target) || document.querySelector("[role=dialog],[role=menu]")) return;
  if (areOff()) return;
  // A part of the page comes before what is around it.
  for (const { shortcuts } of [...groups.values()].toReversed()) {
    const run = shortcuts.find(({ key }) => key === event.key)?.run;
    if (run === undefined) continue;
    event.preventDefault();
    run();
    return;
  }
}

/** Registers shortcuts while the component is mounted, and lists them under the name in the help. */
export function useShortcuts(name: string, shortcuts: readonly Shortcut[]): void {
  const latest = useRef(shortcuts);
  useEffect(() => {
    latest.current = shortcuts;
  });
  const signature = shortcuts
    .map(({ key, what, run }) => `${key} ${run ? "own" : "native"} ${what}`)
    .join("\n");
  useEffect(() => {
    const id = Symbol(name);
    const wrapped = signature.split("\n").map((line, index) => {
      const [key = "", how, ...words] = line.split(" ");
      const run = (): void => latest.current[index]?.run?.();
      return { key, what: words.join(" "), ...(how === "own" && { run }) };
    });
    if (groups.size === 0) document.addEventListener("keydown", handleKey);
    groups.set(id, { name, shortcuts: wrapped });
    notifyListeners();
    return () => {
      groups.delete(id);
      if (groups.size === 0) document.removeEventListener("keydown", handleKey);
      notifyListeners();
    };
  }, [name, signature]);
}

/** The `?` button and key: lists the shortcuts of this page. Touch screens have no button. */
export function ShortcutHelp(): ReactElement {
  const [isOpen, setOpen] = useState(false);
  const [isOff, setOff] = useState(areOff);
  const all = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => snapshot,
  );
  useShortcuts("Help", [{ key: "?", what: "Show these shortcuts", run: () => setOpen(true) }]);
  const handleSwitch = (isOn: boolean): void => {
    setOff(!isOn);
    try {
      if (isOn) localStorage.removeItem(offKey);
      else localStorage.setItem(offKey, "true");
    } catch {
      // The storage is blocked: shortcuts stay on.
    }
  };
  return (
    <>
      <IconButton
        label="Keyboard shortcuts"
        icon="keyboard"
        className="pointer-coarse:hidden"
        aria-haspopup="dialog"
        onClick={() => setOpen(true)}
      />
      <Dialog isOpen={isOpen} onClose={() => setOpen(false)} title="Keyboard shortcuts">
        <div className="flex flex-col gap-5">
          {all.map((group) => (
            <section key={group.name} className="flex flex-col gap-2">
              <h3 className="text-[13px] font-medium text-muted">{group.name}</h3>
              <dl className="grid grid-cols-[3.5rem_minmax(0,1fr)] gap-x-3 gap-y-1.5">
                {group.shortcuts.map(({ key, what }) => (
                  <div key={key} className="contents">
                    <dt>
                      <kbd className="inline-grid h-6 min-w-6 place-items-center rounded border border-control bg-sunken px-1.5 font-mono text-[13px]">
                        {key}
                      </kbd>
                    </dt>
                    <dd>{what}</dd>
                  </div>
                ))}
              </dl>
            </section>
          ))}
          <Checkbox
            label="Single keys act on pages"
            hint="Switch this off if they conflict with other shortcuts."
            checked={!isOff}
            onChange={handleSwitch}
          />
        </div>
      </Dialog>
    </>
  );
}
