import type { ComponentProps, ReactElement, ReactNode } from "react";
import { controlClass, Field, type IncomingValue } from "./field.js";
import { Icon } from "../actions/icons.js";

interface Option {
  value: string;
  label: string;
  /** Why the option is not available, in a few words after its label. */
  disabledReason?: string | undefined;
}

type SelectProps = Omit<ComponentProps<"select">, "onChange" | "value"> & {
  value: string;
  options: readonly Option[];
  onChange: (value: string) => void;
  disabledReason?: string | undefined;
};

/** A native select, which works best on phones and with screen readers. */
export function Select({
  options,
  onChange,
  disabledReason,
  className = "",
  ...rest
}: SelectProps): ReactElement {
  return (
    <span className="relative block min-w-0">
      <select
        {...rest}
        {...(disabledReason === undefined ? {} : { disabled: true, title: disabledReason })}
        onChange={(event) => onChange(event.target.value)}
        className={`${controlClass} h-9 appearance-none truncate pr-8 ${className}`}
      >
        {options.map((option) => (
          <option
            key={option.value}
            value={option.value}
            disabled={option.disabledReason !== undefined}
          >
            {option.label}
            {option.disabledReason !== undefined && ` (${option.disabledReason})`}
          </option>
        ))}
      </select>
      <Icon
        name="chevronDown"
        className="pointer-events-none absolute top-2.5 right-2.5 text-muted"
      />
    </span>
  );
}

type SelectFieldProps = SelectProps & {
  label: string;
  hint?: ReactNode;
  error?: string | undefined;
  optional?: boolean;
  incoming?: IncomingValue;
};

export function SelectField({
  label,
  hint,
  error,
  optional = false,
  incoming,
  ...rest
}: SelectFieldProps): ReactElement {
  const named = incoming && {
    ...incoming,
    value: rest.options.find(({ value }) => value === incoming.value)?.label ?? incoming.value,
  };
  return (
    <Field label={label} hint={hint} error={error} optional={optional} incoming={named}>
      {(control) => <Select {...rest} {...control} />}
    </Field>
  );
}
