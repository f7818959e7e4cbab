import type { ReactElement } from "react";
import type { ApiKey } from "#shared/api/identity/api-keys.js";
import { client } from "../../../api/client.js";
import { PlainText, visible } from "../../../ui/text/plain-text.js";
import { apiKeysKey } from "../../../api/queries/identity/api-keys.js";
import { ConfirmButton } from "../../../components/confirmations.js";

export function RevokeButton({
  apiKey,
  size = "md",
}: {
  apiKey: ApiKey;
  size?: "sm" | "md";
}): ReactElement {
  return (
    <ConfirmButton
      size={size}
      label="Revoke"
      aria-label={`Revoke ${visible(apiKey.name)}`}
      disabledReason={apiKey.status === "revoked" ? "The key is revoked already." : undefined}
      title="Revoke this key?"
      mutation={{
        run: () => client.apiKeys.revoke({ params: { key_id: apiKey.id } }),
        refresh: [apiKeysKey],
        successMessage: () => "Key revoked",
      }}
    >
      The next request with <PlainText value={apiKey.name} /> (
      <code className="font-mono">{apiKey.key_hint}</code>) is refused. This cannot be undone.
    </ConfirmButton>
  );
}
