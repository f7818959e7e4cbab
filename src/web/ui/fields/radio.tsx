import { type ReactElement, type ReactNode, useId } from "react";

interface RadioProps<Value extends string> {
  legend: string;
  value: Value;
  onChange: (value: Value) => void;
  options: readonly {
    value: Value;
    label: ReactNode;
    hint?: string;
    /** Why the option is not available; shown below it. */
    disabledReason?: string | undefined;
    children?: ReactNode;
  }[];
}

/** A radio group; the selected option may show further fields. */
export function RadioList<Value extends string>({
  legend,
  value,
  onChange,
  options,
}: RadioProps<Value>): ReactElement {
  const name = useId();
  return (
    <fieldset className="flex min-w-0 flex-col gap-2">
      <legend className="mb-1.5 text-[13px] font-medium">{legend}</legend>
      {options.map((option) => (
        <div
          key={option.value}
          className={`rounded-md border px-3 py-2.5 ${value === option.value ? "border-accent-ink" : "border-line"}`}
        >
          <label
            className={`flex items-start gap-2.5 ${option.disabledReason === undefined ? "" : "text-muted"}`}
          >
            <input
              type="radio"
              name={name}
              value={option.value}
              checked={value === option.value}
              disabled={option.disabledReason !== undefined}
              onChange={() => onChange(option.value)}
              className="mt-0.5 size-4 shrink-0 accent-accent"
            />
            <span>
              <span className="block font-medium">{option.label}</span>
              {option.hint && <span className="block text-[13px] text-muted">{option.hint}</span>}
              {option.disabledReason !== undefined && (
                <span className="block text-[13px] text-muted">{option.disabledReason}</span>
              )}
            </span>
          </label>
          {value === option.value && option.children && (
            <div className="mt-3 pl-6.5">{option.children}</div>
          )}
        </div>
      ))}
    </fieldset>
  );
}

interface SegmentsProps<Value extends string> {
  legend: string;
  hideLegend?: boolean;
  optional?: boolean;
  value: Value;
  onChange: (value: Value) => void;
  options: readonly { value: Value; label: string }[];
}

/** A radio group in one line: [Never] [30 days] [90 days] [Custom]. */
export function Segments<Value extends string>(props: SegmentsProps<Value>): ReactElement {
  const name = useId();
  return (
    <fieldset className="min-w-0">
      <legend className={props.hideLegend ? "sr-only" : "mb-1.5 text-[13px] font-medium"}>
        {props.legend}
        {props.optional && <span className="font-normal text-muted"> (optional)</span>}
      </legend>
      <div className="inline-flex max-w-full flex-wrap gap-1 rounded-lg bg-sunken p-1">
        {props.options.map((option) => (
          <label
            key={option.value}
            className="rounded-md px-3 py-1 text-[13px] font-medium text-muted has-checked:bg-surface has-checked:text-ink has-checked:shadow-raised has-focus-visible:outline-2 has-focus-visible:outline-accent-ink"
          >
            <input
              type="radio"
              name={name}
              value={option.value}
              checked={props.value === option.value}
              onChange={() => props.onChange(option.value)}
              className="sr-only"
            />
            {option.label}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
