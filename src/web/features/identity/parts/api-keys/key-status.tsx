import type { ReactElement } from "react";
import type { ApiKey } from "#shared/api/identity/api-keys.js";
import { StatusDot, type Tone } from "../../../../ui/feedback/badge.js";

const warnedMs = 7 * 86_400_000;

function stateOf(key: ApiKey): readonly [Tone, string] {
  if (key.status === "revoked") {
    return ["bad", key.replaced_by === null ? "Revoked" : "Rotated"];
  }
  if (key.status === "expired") return ["neutral", "Expired"];
  if (key.replaced_by !== null) return ["warn", "Rotated, still works"];
  const left = key.expires_at === null ? Infinity : Date.parse(key.expires_at) - Date.now();
  if (left <= warnedMs) return ["warn", "Active, expires soon"];
  return key.is_stale ? ["warn", "Active, unused for 90 days"] : ["good", "Active"];
}

export function KeyStatus({ apiKey }: { apiKey: ApiKey }): ReactElement {
  const [tone, text] = stateOf(apiKey);
  return <StatusDot tone={tone}>{text}</StatusDot>;
}

export function Scopes({ scopes }: { scopes: readonly string[] }): ReactElement {
  return (
    <span className="flex flex-wrap gap-x-3 font-mono text-[13px]">
      {scopes.map((scope) => (
        <code key={scope} className="break-all">
          {scope}
        </code>
      ))}
    </span>
  );
}
