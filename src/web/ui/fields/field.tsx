import { type ComponentProps, type ReactElement, type ReactNode, useId } from "react";
import { PlainText } from "../text/plain-text.js";

/** Attributes that tie a control to its label, hint and error. */
interface ControlProps {
  id: string;
  "aria-describedby": string | undefined;
  "aria-invalid": true | undefined;
}

/** Value saved by another user while the field was being edited. */
export type IncomingValue = { value: unknown; onTake: () => void } | undefined;

interface FieldProps {
  label: string;
  hint?: ReactNode;
  error?: string | undefined;
  optional?: boolean;
  incoming?: IncomingValue;
  children: (control: ControlProps) => ReactNode;
}

/** A label above its control; the hint and the error below. */
export function Field({
  label,
  hint,
  error,
  optional = false,
  incoming,
  children,
}: FieldProps): ReactElement {
  const id = useId();
  const described = [
    hint ? `${id}-hint` : "",
    error ? `${id}-error` : "",
    incoming ? `${id}-theirs` : "",
  ]
    .filter(Boolean)
    .join(" ");
  return (
    <div className="flex min-w-0 flex-col gap-1.5">
      <label htmlFor={id} className="text-[13px] font-medium">
        {label}
        {optional && <span className="font-normal text-muted"> (optional)</span>}
      </label>
      {children({
        id,
        "aria-describedby": described || undefined,
        "aria-invalid": error ? true : undefined,
      })}
      {error && (
        <p id={`${id}-error`} className="text-[13px] text-bad first-letter:uppercase">
          {error}
        </p>
      )}
      {incoming && <SavedMeanwhile id={`${id}-theirs`} label={label} incoming={incoming} />}
      {hint && (
        <div id={`${id}-hint`} className="text-[13px] text-muted">
          {hint}
        </div>
      )}
    </div>
  );
}

/** The value that another user saved, with a button that applies it. */
export function SavedMeanwhile({
  id,
  label,
  incoming,
}: {
  id?: string;
  label: string;
  incoming: NonNullable<IncomingValue>;
}): ReactElement {
  return (
    <output id={id} className="block rounded-md bg-warn-soft px-2.5 py-1.5 text-[13px]">
      <span className="text-warn">Saved meanwhile by another user: </span>
      <PlainText value={textOf(incoming.value)} />{" "}
      <button
        type="button"
        aria-label={`Use this as ${label}`}
        onClick={incoming.onTake}
        className="ml-1 min-h-6 font-medium text-accent-ink underline"
      >
        Use this
      </button>
    </output>
  );
}

function textOf(value: unknown): string {
  if (typeof value === "boolean") return value ? "on" : "off";
  return (Array.isArray(value) ? value.join(", ") : String(value)) || "(empty)";
}

export const controlClass =
  "w-full rounded-md border border-control bg-surface px-2.5 text-ink placeholder:text-muted disabled:cursor-not-allowed disabled:border-line disabled:bg-sunken disabled:text-muted aria-invalid:border-bad";

interface Described {
  label: string;
  hint?: ReactNode;
  error?: string | undefined;
  optional?: boolean;
  incoming?: IncomingValue;
  /** Why the viewer may not change it. */
  disabledReason?: string | undefined;
}

/** `disabled`, with the reason as its title. */
function disabledProps(reason: string | undefined): { disabled?: true; title?: string } {
  return reason === undefined ? {} : { disabled: true, title: reason };
}

type TextFieldProps = Described &
  Omit<ComponentProps<"input">, "onChange" | "value"> & {
    value: string;
    onChange: (value: string) => void;
    /** Content beside the control, such as a button or a unit. */
    after?: ReactNode;
  };

export function TextField({
  label,
  hint,
  error,
  optional = false,
  incoming,
  disabledReason,
  onChange,
  after,
  className = "",
  ...rest
}: TextFieldProps): ReactElement {
  return (
    <Field label={label} hint={hint} error={error} optional={optional} incoming={incoming}>
      {(control) => (
        <div className="flex items-center gap-2">
          <input
            autoComplete="off"
            {...rest}
            {...control}
            {...disabledProps(disabledReason)}
            onChange={(event) => onChange(event.target.value)}
            className={`${controlClass} h-9 ${className}`}
          />
          {after}
        </div>
      )}
    </Field>
  );
}

type TextAreaProps = Described &
  Omit<ComponentProps<"textarea">, "onChange" | "value"> & {
    value: string;
    onChange: (value: string) => void;
    /** Shows dots instead of the text, like a password. */
    isConcealed?: boolean;
  };

export function TextArea({
  label,
  hint,
  error,
  optional = false,
  incoming,
  disabledReason,
  onChange,
  isConcealed = false,
  className = "",
  ...rest
}: TextAreaProps): ReactElement {
  return (
    <Field label={label} hint={hint} error={error} optional={optional} incoming={incoming}>
      {(control) => (
        <textarea
          rows={3}
          {...rest}
          {...control}
          {...disabledProps(disabledReason)}
          onChange={(event) => onChange(event.target.value)}
          className={`${controlClass} py-1.5 ${isConcealed ? "[-webkit-text-security:disc]" : ""} ${className}`}
        />
      )}
    </Field>
  );
}

interface CheckboxProps {
  label: ReactNode;
  hint?: ReactNode;
  incoming?: IncomingValue;
  checked: boolean;
  onChange: (checked: boolean) => void;
  disabledReason?: string | undefined;
}

export function Checkbox({
  label,
  hint,
  incoming,
  checked,
  onChange,
  disabledReason,
}: CheckboxProps): ReactElement {
  return (
    <div className="flex flex-col gap-1.5">
      <label className="flex min-h-6 items-start gap-2.5">
        <input
          type="checkbox"
          checked={checked}
          onChange={(event) => onChange(event.target.checked)}
          {...disabledProps(disabledReason)}
          className="mt-0.5 size-4 shrink-0 accent-accent"
        />
        <span className="min-w-0">
          <span className="block">{label}</span>
          {hint && <span className="block text-[13px] text-muted">{hint}</span>}
        </span>
      </label>
      {incoming && (
        <SavedMeanwhile label={typeof label === "string" ? label : "this"} incoming={incoming} />
      )}
    </div>
  );
}
