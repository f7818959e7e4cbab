import {
  type FocusEvent,
  type FormEvent,
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
    if (error) form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [error]);

  const handleSubmit = (event: FormEvent): void => {
    event.preventDefault();
    onSubmit();
  };
  const handleBlur = ({ target }: FocusEvent): void => {
    const name = target.getAttribute("name");
    if (name !== null) onLeaveField?.(name);
  };
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- the blur of its fields, which bubbles
    <form
      ref={form}
      noValidate
      aria-label={label}
      onSubmit={handleSubmit}
      onBlur={handleBlur}
      className={`flex min-w-0 flex-col gap-4 ${className}`}
    >
      {error && !isShownAtField && <Alert live>{error.message}</Alert>}
      {children}
    </form>
  );
}
