import type { ReactElement } from "react";
import { TextArea, TextField } from "../../../../ui/fields/field.js";

/** Limits of a key, as entered. */
export interface Limits {
  networks: string;
  perMinute: string;
}

export const emptyLimits: Limits = { networks: "", perMinute: "" };

export function limitsOf(key: {
  allowed_ips: string[] | null;
  rate_limit_per_minute: number | null;
}): Limits {
  return {
    networks: key.allowed_ips?.join("\n") ?? "",
    perMinute: key.rate_limit_per_minute?.toString() ?? "",
  };
}

export function limitsBody({ networks, perMinute }: Limits): {
  allowed_ips: string[] | null;
  rate_limit_per_minute: number | null;
} {
  const listed = networks.split(/[\s,]+/).filter(Boolean);
  return {
    allowed_ips: listed.length === 0 ? null : listed,
    rate_limit_per_minute: perMinute.trim() === "" ? null : Number(perMinute),
  };
}

interface LimitsFieldsProps {
  value: Limits;
  onChange: (value: Limits) => void;
  errors: { networks: string | undefined; perMinute: string | undefined };
}

export function LimitsFields({ value, onChange, errors }: LimitsFieldsProps): ReactElement {
  return (
    <>
      <TextArea
        label="Allowed addresses"
        name="allowed_ips"
        optional
        hint="Networks such as 10.0.0.0/8 or 2001:db8::/32, one per line. Leave empty to allow all addresses."
        value={value.networks}
        onChange={(networks) => onChange({ ...value, networks })}
        error={errors.networks}
      />
      <div className="max-w-60">
        <TextField
          label="Requests a minute"
          name="rate_limit_per_minute"
          optional
          inputMode="numeric"
          hint="Leave empty for no limit."
          value={value.perMinute}
          onChange={(perMinute) => onChange({ ...value, perMinute })}
          error={errors.perMinute}
        />
      </div>
    </>
  );
}
