import { type FormEvent, type ReactElement, type ReactNode, useEffect, useRef } from "react";
import { Alert } from "./alert.js";

interface FormProps {
  label: string;
  onSubmit: () => void;
  /** The refusal of the last try; a new object for every try. */
  error: Error | null;
  /** Whether some field shows it, so that it is not said twice. */
  isShownAtField: boolean;
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
  children,
  className = "",
}: FormProps): ReactElement {
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (error) form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [error]);

  const handleSubmit = (event: FormEvent): void => {
    event.preventDefault();
    onSubmit();
  };
  return (
    <form
      ref={form}
      noValidate
      aria-label={label}
      onSubmit={handleSubmit}
      className={`flex min-w-0 flex-col gap-4 ${className}`}
    >
      {error && !isShownAtField && <Alert live>{error.message}</Alert>}
      {children}
    </form>
  );
}
