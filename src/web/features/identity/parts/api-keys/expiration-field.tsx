import type { ReactElement } from "react";
import { TextField } from "../../../../ui/fields/field.js";
import { Segments } from "../../../../ui/fields/radio.js";

type ExpirationChoice = "never" | "30" | "90" | "custom";

export interface Expiration {
  choice: ExpirationChoice;
  /** "2026-01-31", for a custom date. */
  date: string;
}

interface ExpirationBody {
  expires_in_days?: number;
  expires_at?: string;
}

/**
 * Returns the expiration in the API's format. A custom date is valid to the end of that day in the
 * viewer's time zone.
 */
export function expirationBody({ choice, date }: Expiration): ExpirationBody {
  if (choice === "never") return {};
  if (choice !== "custom") return { expires_in_days: Number(choice) };
  const end = new Date(`${date}T23:59:59`);
  // An invalid date is left to the field's validation.
  return { expires_at: Number.isNaN(end.getTime()) ? "" : end.toISOString() };
}

interface ExpirationFieldProps {
  value: Expiration;
  onChange: (value: Expiration) => void;
  error: string | undefined;
}

export function ExpirationField({ value, onChange, error }: ExpirationFieldProps): ReactElement {
  return (
    <div className="flex flex-col gap-3">
      <Segments
        legend="Expiration"
        optional
        value={value.choice}
        onChange={(choice) => onChange({ ...value, choice })}
        options={[
          { value: "never", label: "Never" },
          { value: "30", label: "30 days" },
          { value: "90", label: "90 days" },
          { value: "custom", label: "Custom" },
        ]}
      />
      {value.choice === "custom" && (
        <div className="max-w-52">
          <TextField
            label="Expires on"
            name="expires_at"
            type="date"
            value={value.date}
            onChange={(date) => onChange({ ...value, date })}
            error={error && value.date === "" ? "choose a day" : error}
          />
        </div>
      )}
    </div>
  );
}
