import { type ReactElement, useEffect, useRef, useState } from "react";
import { controlClass } from "../../ui/field.js";
import { Icon } from "../../ui/icons.js";

/** Whether a key pressed there is meant for what has the focus. */
function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.closest("input, textarea, select, [contenteditable], [role=dialog], [role=menu]") !==
      null
  );
}

interface OrganizationSearchProps {
  value: string;
  onChange: (value: string) => void;
}

/** Searches by name or slug; the slash key leads to it from anywhere on the page. */
export function OrganizationSearchField({
  value,
  onChange,
}: OrganizationSearchProps): ReactElement {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const handleKey = (event: KeyboardEvent): void => {
      const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
      if (event.key !== "/" || !isPlain || isTyping(event.target)) return;
      event.preventDefault();
      input.current?.select();
    };
    document.addEventListener("keydown", handleKey);
    return () => document.removeEventListener("keydown", handleKey);
  }, []);
  return (
    <search className="relative w-full sm:max-w-sm">
      <Icon name="search" className="pointer-events-none absolute top-2.5 left-2.5 text-muted" />
      <input
        ref={input}
        type="search"
        aria-label="Search organizations"
        aria-keyshortcuts="/"
        placeholder="Name or slug"
        autoComplete="off"
        spellCheck={false}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        className={`${controlClass} h-9 pr-9 pl-8`}
      />
      {value === "" && (
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

/**
 * A text of the address that is typed: what is typed counts at once and goes into the address when the
 * typing pauses; what comes from the address, by a link, counts too.
 */
export function useTypedSearch(
  inAddress: string,
  write: (value: string) => void,
): [text: string, setText: (text: string) => void] {
  const [text, setText] = useState(inAddress);
  const [written, setWritten] = useState(inAddress);
  const [seen, setSeen] = useState(inAddress);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  // Whoever has left the page is not called back to it.
  useEffect(() => () => clearTimeout(timer.current), []);
  if (seen !== inAddress) {
    setSeen(inAddress);
    if (inAddress !== written) {
      setWritten(inAddress);
      setText(inAddress);
    }
  }
  const handleType = (typed: string): void => {
    setText(typed);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      setWritten(typed);
      write(typed);
    }, 200);
  };
  return [text, handleType];
}
