import { type ReactElement, useId } from "react";
import { variableNameProblem } from "#shared/execution/names.js";
import { Button, IconButton } from "../../../../../ui/actions/button.js";
import { controlClass } from "../../../../../ui/fields/field.js";

export interface EnvRow {
  key: number;
  name: string;
  value: string;
}

export function envOf(rows: readonly EnvRow[]): Record<string, string> {
  return Object.fromEntries(rows.map(({ name, value }) => [name.trim(), value]));
}

/** Returns the errors of names, by row key; empty names are not validated. */
export function nameErrors(rows: readonly EnvRow[]): Map<number, string> {
  const errors = new Map<number, string>();
  const seen = new Set<string>();
  for (const { key, name } of rows) {
    const trimmed = name.trim();
    if (trimmed === "") continue;
    const refusal = variableNameProblem(trimmed);
    if (refusal !== null) errors.set(key, `It ${refusal}`);
    else if (seen.has(trimmed)) errors.set(key, `${trimmed} is given above already`);
    seen.add(trimmed);
  }
  return errors;
}

interface EnvFieldsProps {
  value: readonly EnvRow[];
  onChange: (rows: readonly EnvRow[]) => void;
  error: string | undefined;
  legend?: string;
  hint?: string;
  /** Masks the values. */
  isConcealed?: boolean;
}

/** Names and values of environment variables. */
export function EnvFields({
  value,
  onChange,
  error,
  legend = "Environment variables",
  hint,
  isConcealed = true,
}: EnvFieldsProps): ReactElement {
  const change = (key: number, part: Partial<EnvRow>): void =>
    onChange(value.map((row) => (row.key === key ? { ...row, ...part } : row)));
  const id = useId();
  const errors = nameErrors(value);
  return (
    <fieldset className="flex min-w-0 flex-col gap-2">
      <legend className="mb-1.5 text-[13px] font-medium">
        {legend} <span className="font-normal text-muted">(optional)</span>
      </legend>
      {value.map(({ key, name, value: secret }, at) => (
        <div key={key} className="flex flex-wrap items-center gap-2">
          <input
            aria-label={`Name of variable ${at + 1}`}
            placeholder="NAME"
            autoComplete="off"
            spellCheck={false}
            value={name}
            aria-invalid={errors.has(key) || undefined}
            aria-describedby={errors.has(key) ? `${id}-${key}` : undefined}
            onChange={(event) => change(key, { name: event.target.value })}
            className={`${controlClass} h-9 w-auto min-w-24 flex-1 font-mono text-[13px]`}
          />
          {isConcealed ? (
            <input
              type="password"
              aria-label={`Value of variable ${at + 1}`}
              placeholder="Value"
              autoComplete="new-password"
              value={secret}
              onChange={(event) => change(key, { value: event.target.value })}
              className={`${controlClass} h-9 w-auto min-w-24 flex-1`}
            />
          ) : (
            // An input would drop the line feeds of a value.
            <textarea
              rows={1}
              aria-label={`Value of variable ${at + 1}`}
              placeholder="Value"
              spellCheck={false}
              value={secret}
              onChange={(event) => change(key, { value: event.target.value })}
              className={`${controlClass} field-sizing-content max-h-40 min-h-9 resize-none w-auto min-w-24 flex-1 py-[7px] font-mono text-[13px]`}
            />
          )}
          <IconButton
            label={`Remove variable ${at + 1}`}
            icon="close"
            className="shrink-0"
            onClick={() => onChange(value.filter((row) => row.key !== key))}
          />
          {errors.has(key) && (
            <p id={`${id}-${key}`} className="basis-full text-[13px] text-bad">
              {errors.get(key)}.
            </p>
          )}
        </div>
      ))}
      {error && errors.size === 0 && (
        <p className="text-[13px] text-bad first-letter:uppercase">{error}</p>
      )}
      {hint !== undefined && <p className="text-[13px] text-muted">{hint}</p>}
      <div>
        <Button
          size="sm"
          icon="plus"
          onClick={() =>
            onChange([...value, { key: (value.at(-1)?.key ?? 0) + 1, name: "", value: "" }])
          }
        >
          Add variable
        </Button>
      </div>
    </fieldset>
  );
}
