import { type ReactElement, useState } from "react";
import type { ApiKey } from "#shared/api/organizations/api-keys.js";
import { useApiMutation } from "../../api/use-mutation.js";
import { client } from "../../api/client.js";
import { Button } from "../../ui/button.js";
import { ConfirmDialog } from "../../ui/dialog.js";
import { PlainText, visible } from "../../ui/plain-text.js";
import { apiKeysKey } from "../../api/queries/api-keys.js";

export function RevokeButton({
  apiKey,
  size = "md",
}: {
  apiKey: ApiKey;
  size?: "sm" | "md";
}): ReactElement {
  const [isAsking, setAsking] = useState(false);
  const revoke = useApiMutation({
    run: () => client.apiKeys.revoke({ params: { key_id: apiKey.id } }),
    refresh: [apiKeysKey],
    successMessage: () => "Key revoked",
    onDone: () => setAsking(false),
    toastErrors: true,
  });
  return (
    <>
      <Button
        size={size}
        aria-label={`Revoke ${visible(apiKey.name)}`}
        disabledReason={apiKey.status === "revoked" ? "The key is revoked already." : undefined}
        onClick={() => setAsking(true)}
      >
        Revoke
      </Button>
      <ConfirmDialog
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        title="Revoke this key?"
        action="Revoke"
        pending={revoke.pending}
        onConfirm={() => revoke.submit(undefined)}
      >
        The next request with <PlainText value={apiKey.name} /> (
        <code className="font-mono">{apiKey.key_hint}</code>) is refused. This cannot be undone.
      </ConfirmDialog>
    </>
  );
}
