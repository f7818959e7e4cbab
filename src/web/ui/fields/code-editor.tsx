import { type ReactElement, useId, useRef } from "react";

interface CodeEditorProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  /** Hint below the field, tied to it by `aria-describedby`. */
  hint?: string;
}

/** A code field: monospaced, no wrapping, line numbers. The Tab key moves on, as in any field. */
export function CodeEditor({ label, value, onChange, hint }: CodeEditorProps): ReactElement {
  const id = useId();
  const numbers = useRef<HTMLPreElement>(null);
  const count = value.split("\n").length;
  return (
    <div className="flex min-w-0 flex-col gap-1.5">
      <label htmlFor={id} className="text-[13px] font-medium">
        {label}
      </label>
      <div className="grid grid-cols-[auto_minmax(0,1fr)] overflow-hidden rounded-md border border-control bg-surface focus-within:outline-2 focus-within:outline-offset-2 focus-within:outline-accent-ink">
        <pre
          ref={numbers}
          aria-hidden="true"
          className="overflow-hidden border-r border-line bg-sunken px-2 py-2 text-right font-mono text-xs leading-5 text-muted select-none"
        >
          {/* An extra line reserves room for the scroll bar. */}
          {Array.from({ length: count }, (_, index) => index + 1).join("\n")}
          {"\n\n"}
        </pre>
        <textarea
          id={id}
          value={value}
          onChange={(event) => onChange(event.target.value)}
          onScroll={({ currentTarget }) => {
            if (numbers.current) numbers.current.scrollTop = currentTarget.scrollTop;
          }}
          wrap="off"
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
          rows={Math.min(Math.max(count + 1, 6), 24)}
          aria-describedby={hint === undefined ? undefined : `${id}-hint`}
          className="min-w-0 resize-none bg-transparent px-2.5 py-2 font-mono text-xs leading-5 outline-hidden [tab-size:4]"
        />
      </div>
      {hint !== undefined && (
        <p id={`${id}-hint`} className="text-[13px] text-muted">
          {hint}
        </p>
      )}
    </div>
  );
}
