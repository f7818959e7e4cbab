import {
  type FocusEvent,
  type FormEvent,
  type PointerEvent,
  type ReactElement,
  type ReactNode,
  useEffect,
  useRef,
} from "react";
import { Alert } from "./alert.js";

interface FormProps {
  label: string;
  onSubmit: () => void;
  /** The refusal of the last try; a new object for every try. */
  error: Error | null;
  /** Whether some field shows it, so that it is not said twice. */
  isShownAtField: boolean;
  /** Called with a field's name when the focus leaves it. */
  onLeaveField?: (name: string) => void;
  children: ReactNode;
  className?: string;
}

/**
 * A form that the browser does not judge (the contract's rules do). After a refusal the focus goes to
 * the first field that is wrong.
 */
export function Form({
  label,
  onSubmit,
  error,
  isShownAtField,
  onLeaveField,
  children,
  className = "",
}: FormProps): ReactElement {
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (!error) return;
    const invalid = form.current?.querySelector<HTMLElement>("[aria-invalid=true]");
    // A field within closed details cannot have the focus.
    const details = invalid?.closest("details");
    if (details) details.open = true;
    invalid?.focus();
  }, [error]);

  const handleSubmit = (event: FormEvent): void => {
    event.preventDefault();
    onSubmit();
  };
  /** Fields left by pressing the submit button; null while it is not pressed. */
  const left = useRef<string[] | null>(null);
  const handleBlur = ({ target }: FocusEvent): void => {
    const name = target.getAttribute("name");
    if (name === null) return;
    if (left.current) left.current.push(name);
    else onLeaveField?.(name);
  };
  // An error that appears between press and release moves the button away, and the click is lost.
  const handlePress = ({ target }: PointerEvent): void => {
    if (!(target instanceof Element) || !target.closest("[type=submit]")) return;
    left.current = [];
    const release = (): void => {
      removeEventListener("pointerup", release);
      removeEventListener("pointercancel", release);
      setTimeout(() => {
        for (const name of left.current ?? []) onLeaveField?.(name);
        left.current = null;
      });
    };
    addEventListener("pointerup", release);
    addEventListener("pointercancel", release);
  };
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- the blur of its fields, which bubbles
    <form
      ref={form}
      noValidate
      aria-label={label}
      onSubmit={handleSubmit}
      onBlur={handleBlur}
      onPointerDownCapture={handlePress}
      className={`flex min-w-0 flex-col gap-4 ${className}`}
    >
      {error && !isShownAtField && <Alert live>{error.message}</Alert>}
      {children}
    </form>
  );
}
