import { type ReactElement, useId } from "react";
import { automationNames } from "#shared/work/automation-names.js";
import { Button } from "../../../ui/actions/button.js";
import { TextField } from "../../../ui/fields/field.js";
import { SelectField } from "../../../ui/fields/select.js";
import { type Operator, operatorName, operators } from "../parts/automations/automation-words.js";
import type { ConditionValue } from "./automation-values.js";

interface FilterProps {
  value: readonly ConditionValue[];
  onChange: (filter: ConditionValue[]) => void;
  errorOf: (...names: string[]) => string | undefined;
}

/** Conditions that must all hold. */
export function FilterFields({ value, onChange, errorOf }: FilterProps): ReactElement {
  const names = useId();
  const set = (index: number, change: Partial<ConditionValue>): void =>
    onChange(
      value.map((condition, at) => (at === index ? { ...condition, ...change } : condition)),
    );
  return (
    <fieldset className="flex min-w-0 flex-col gap-3">
      <legend className="mb-1.5 text-[13px] font-medium">Only if (optional)</legend>
      <datalist id={names}>
        {[...automationNames, "event.payload"].map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </datalist>
      {value.map((condition, index) => (
        <div
          // The fields have no identity but their place.
          // oxlint-disable-next-line react/no-array-index-key
          key={index}
          className="grid items-start gap-3 sm:grid-cols-[minmax(0,2fr)_minmax(0,1fr)_minmax(0,2fr)_auto]"
        >
          <TextField
            label="Value"
            list={names}
            value={condition.path}
            onChange={(path) => set(index, { path })}
            error={errorOf(`filter.${index}.path`)}
            spellCheck={false}
            autoComplete="off"
            placeholder="event.issue.labels"
            className="font-mono text-[13px]"
          />
          <SelectField
            label="Condition"
            value={condition.operator}
            onChange={(operator) => set(index, { operator: operator as Operator })}
            options={operators.map((operator) => ({
              value: operator,
              label: operatorName(operator),
            }))}
          />
          <TextField
            label={condition.operator === "matches" ? "Pattern (RE2)" : "Text"}
            value={condition.text}
            onChange={(text) => set(index, { text })}
            error={errorOf(`filter.${index}.${condition.operator}`, `filter.${index}`)}
            spellCheck={false}
            autoComplete="off"
          />
          <Button
            aria-label={`Remove condition ${index + 1}`}
            className="sm:mt-6.5"
            onClick={() => onChange(value.filter((_condition, at) => at !== index))}
          >
            Remove
          </Button>
        </div>
      ))}
      <Button
        size="sm"
        icon="plus"
        className="self-start"
        onClick={() =>
          onChange([...value, { path: "event.issue.labels", operator: "contains", text: "" }])
        }
      >
        Add condition
      </Button>
    </fieldset>
  );
}
