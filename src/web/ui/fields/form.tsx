import {
  type ComponentProps,
  type FocusEvent,
  type FormEvent,
  type PointerEvent,
  type ReactElement,
  type ReactNode,
  createContext,
  use,
  useEffect,
  useRef,
} from "react";
import { Button } from "../actions/button.js";
import { Alert } from "../feedback/alert.js";

interface FormProps {
  label: string;
  onSubmit: () => void;
  /** The error of the last submit; a new object for every submit. */
  error: Error | null;
  /** Whether a field shows the error, so that it is not shown twice. */
  isShownAtField: boolean;
  /** Whether the last submit is in progress. */
  pending: boolean;
  /** Called with a field's name on blur. */
  onLeaveField?: (name: string) => void;
  children: ReactNode;
  className?: string;
}

/** Whether the form around is being submitted. */
const Pending = createContext(false);

/**
 * A form without native validation (the API's schemas validate). After an error the first invalid field
 * is focused.
 */
export function Form({
  label,
  onSubmit,
  error,
  isShownAtField,
  pending,
  onLeaveField,
  children,
  className = "",
}: FormProps): ReactElement {
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (!error) return;
    const invalid = form.current?.querySelector<HTMLElement>("[aria-invalid=true]");
    // A field within closed details cannot be focused.
    const details = invalid?.closest("details");
    if (details) details.open = true;
    invalid?.focus();
  }, [error]);

  const handleSubmit = (event: FormEvent): void => {
    event.preventDefault();
    onSubmit();
  };
  /** Fields that lost focus by pressing a button; null while none is pressed. */
  const left = useRef<string[] | null>(null);
  const handleBlur = ({ target }: FocusEvent): void => {
    const name = target.getAttribute("name");
    if (name === null) return;
    if (left.current) left.current.push(name);
    else onLeaveField?.(name);
  };
  // An error that appears between press and release moves the button away, and the click is lost.
  const handlePress = ({ target }: PointerEvent): void => {
    if (!(target instanceof Element) || !target.closest("button")) return;
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
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- handles the blur of its fields, which bubbles
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
      <Pending value={pending}>{children}</Pending>
    </form>
  );
}

/** The submit button of the form around; ignores clicks while the form is being submitted. */
export function SubmitButton({
  variant = "primary",
  ...props
}: Omit<ComponentProps<typeof Button>, "type" | "pending">): ReactElement {
  return <Button {...props} type="submit" variant={variant} pending={use(Pending)} />;
}
