import { type ReactElement, useEffect, useRef } from "react";
import { controlClass } from "./field.js";
import { Icon } from "../actions/icons.js";

/** Whether a key press belongs to the focused element. */
function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.closest("input, textarea, select, [contenteditable], [role=dialog], [role=menu]") !==
      null
  );
}

interface SearchFieldProps {
  label: string;
  placeholder?: string;
  value: string;
  onChange: (value: string) => void;
  /** Whether the slash key focuses the field; for one field per page. */
  hasShortcut?: boolean;
}

/** A field that filters a list while typing. */
export function SearchField({
  label,
  placeholder,
  value,
  onChange,
  hasShortcut = false,
}: SearchFieldProps): ReactElement {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (!hasShortcut) return undefined;
    const handleKey = (event: KeyboardEvent): void => {
      const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
      if (event.key !== "/" || !isPlain || isTyping(event.target)) return;
      event.preventDefault();
      input.current?.select();
    };
    document.addEventListener("keydown", handleKey);
    return () => document.removeEventListener("keydown", handleKey);
  }, [hasShortcut]);
  return (
    <search className="relative w-full sm:max-w-sm">
      <Icon name="search" className="pointer-events-none absolute top-2.5 left-2.5 text-muted" />
      <input
        ref={input}
        type="search"
        aria-label={label}
        {...(hasShortcut ? { "aria-keyshortcuts": "/" } : {})}
        placeholder={placeholder}
        autoComplete="off"
        spellCheck={false}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        className={`${controlClass} h-9 pr-9 pl-8`}
      />
      {hasShortcut && value === "" && (
        <kbd
          aria-hidden="true"
          className="pointer-events-none absolute top-2 right-2 hidden rounded border border-line px-1.5 font-mono text-xs leading-4.5 text-muted sm:block"
        >
          /
        </kbd>
      )}
    </search>
  );
}
