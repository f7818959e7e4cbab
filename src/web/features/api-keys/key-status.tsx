import type { ReactElement } from "react";
import type { ApiKey } from "#shared/api/api-keys.js";
import { StatusDot, type Tone } from "../../ui/badge.js";

const states: Record<ApiKey["status"], readonly [Tone, string]> = {
  active: ["good", "Active"],
  expired: ["neutral", "Expired"],
  revoked: ["bad", "Revoked"],
};

export function KeyStatus({ status }: { status: ApiKey["status"] }): ReactElement {
  const [tone, text] = states[status];
  return <StatusDot tone={tone}>{text}</StatusDot>;
}

export function Scopes({ scopes }: { scopes: readonly string[] }): ReactElement {
  return (
    <span className="flex flex-wrap gap-x-3 font-mono text-[13px]">
      {scopes.map((scope) => (
        <code key={scope}>{scope}</code>
      ))}
    </span>
  );
}
