import {
  type FormEvent,
  type KeyboardEvent,
  type ReactElement,
  useEffect,
  useId,
  useRef,
} from "react";
import { Button } from "../../../../../ui/actions/button.js";
import { controlClass } from "../../../../../ui/fields/field.js";

interface CommentFormProps {
  /** Names the form and its place. */
  label: string;
  body: string;
  onBody: (body: string) => void;
  /** Null without one; undefined where no lines can be replaced. */
  suggestion: string | null | undefined;
  onSuggestion: (suggestion: string | null) => void;
  /** The text of the lines, which a suggestion begins with; null if it is not known. */
  lines: string | null;
  onDone: () => void;
  onDiscard: () => void;
  /** Called by Escape where the text should stay. */
  onLeave: () => void;
}

const longestBytes = 64 * 1024;
const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

/** A comment that will be part of the review, with a suggestion for its lines if wanted. */
export function CommentForm({
  label,
  body,
  onBody,
  suggestion,
  onSuggestion,
  lines,
  onDone,
  onDiscard,
  onLeave,
}: CommentFormProps): ReactElement {
  const id = useId();
  const field = useRef<HTMLTextAreaElement>(null);
  const suggested = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.focus(), []);
  const isEmpty = body.trim() === "" && suggestion == null;
  const isTooLong = [body, suggestion ?? ""].some((text) => bytesOf(text) > longestBytes);
  const submit = (event?: FormEvent): void => {
    event?.preventDefault();
    if (!isEmpty && !isTooLong) onDone();
  };
  const handleKey = (event: KeyboardEvent): void => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) submit();
    else if (event.key === "Escape") {
      if (isEmpty) onDiscard();
      else onLeave();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- handles the keys of its fields, which bubble
    <form
      aria-label={label}
      onSubmit={submit}
      onKeyDown={handleKey}
      className="flex flex-col gap-2.5 rounded-md border border-line bg-surface p-3"
    >
      <label htmlFor={id} className="text-[13px] font-medium">
        {label}
      </label>
      <textarea
        ref={field}
        id={id}
        value={body}
        rows={2}
        placeholder="What should be different?"
        onChange={({ target }) => onBody(target.value)}
        className={`${controlClass} field-sizing-content max-h-80 min-h-16 resize-y py-1.5`}
      />
      {suggestion != null && (
        <div className="flex flex-col gap-1">
          <label htmlFor={`${id}-text`} className="text-[13px] font-medium">
            Replace the lines with
          </label>
          <textarea
            ref={suggested}
            id={`${id}-text`}
            value={suggestion}
            rows={Math.min(suggestion.split("\n").length + 1, 12)}
            spellCheck={false}
            onChange={({ target }) => onSuggestion(target.value)}
            className={`${controlClass} resize-y py-1.5 font-mono text-xs leading-[1.6]`}
          />
          {suggestion === "" && <p className="text-[13px] text-muted">Deletes the lines.</p>}
        </div>
      )}
      {isTooLong && <p className="text-[13px] text-bad">Shorten it to at most 64 KiB.</p>}
      <div className="flex flex-wrap items-center gap-2">
        {suggestion !== undefined && (
          <Button
            size="sm"
            variant="ghost"
            disabledReason={
              suggestion === null && lines === null ? "The lines are being read." : undefined
            }
            onClick={() => {
              onSuggestion(suggestion === null ? (lines ?? "") : null);
              requestAnimationFrame(() => suggested.current?.focus());
            }}
          >
            {suggestion === null ? "Suggest a change" : "Remove suggestion"}
          </Button>
        )}
        <span className="ml-auto flex gap-2">
          <Button size="sm" onClick={onDiscard}>
            Discard
          </Button>
          <Button
            size="sm"
            type="submit"
            variant="primary"
            disabledReason={
              isEmpty ? "Write a comment first" : isTooLong ? "Shorten the comment" : undefined
            }
          >
            Add comment
          </Button>
        </span>
      </div>
    </form>
  );
}
