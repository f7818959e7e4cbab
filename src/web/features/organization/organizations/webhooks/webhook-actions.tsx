import type { ReactElement } from "react";
import type { Webhook } from "#shared/api/operation/webhooks.js";
import { client } from "../../../../api/client.js";
import { webhooksKey } from "../../../../api/queries/operation/webhooks.js";
import { useApiMutation } from "../../../../api/use-mutation.js";
import { ConfirmButton } from "../../../../components/confirmations.js";
import { Button } from "../../../../ui/actions/button.js";
import { notify } from "../../../../ui/feedback/toast.js";

interface WebhookActionsProps {
  orgId: string;
  webhook: Webhook;
  /** Why the viewer may not change webhooks. */
  reason: string | undefined;
  onEdit: () => void;
  onDeliveries: () => void;
  onRotated: (secret: string) => void;
}

export function WebhookActions({
  orgId,
  webhook,
  reason,
  onEdit,
  onDeliveries,
  onRotated,
}: WebhookActionsProps): ReactElement {
  const { enabled } = webhook;
  const { host } = new URL(webhook.url);
  const params = { org_id: orgId, webhook_id: webhook.id };
  const refresh = [webhooksKey(orgId)];
  const test = useApiMutation({
    run: (_input: undefined, headers) => client.webhooks.test({ params }, { headers }),
    refresh,
    onDone: ({ status, last_attempt }) => {
      if (status === "delivered") notify("The test was delivered");
      else notify(last_attempt?.error ?? "The test was not delivered.", "bad");
    },
    toastErrors: true,
  });
  const toggle = useApiMutation({
    run: (body: { enabled: boolean }, headers) =>
      client.webhooks.update({ params, body }, { headers }),
    refresh,
    successMessage: (data) => `The webhook is ${data.enabled ? "enabled" : "disabled"}`,
    toastErrors: true,
  });
  return (
    <div className="flex flex-wrap gap-2">
      <Button size="sm" aria-label={`Deliveries to ${host}`} onClick={onDeliveries}>
        Deliveries
      </Button>
      <Button
        size="sm"
        aria-label={`Test ${host}`}
        disabledReason={reason}
        pending={test.pending}
        onClick={() => test.submit(undefined)}
      >
        Test
      </Button>
      <Button size="sm" aria-label={`Edit ${host}`} disabledReason={reason} onClick={onEdit}>
        Edit
      </Button>
      {enabled ? (
        <ConfirmButton
          size="sm"
          label="Disable"
          aria-label={`Disable ${host}`}
          disabledReason={reason}
          title="Disable this webhook?"
          mutation={{
            run: (_input, headers) =>
              client.webhooks.update({ params, body: { enabled: false } }, { headers }),
            refresh,
            successMessage: () => "The webhook is disabled",
          }}
        >
          It gets no events until it is enabled again. Waiting deliveries are given up.
        </ConfirmButton>
      ) : (
        <Button
          size="sm"
          aria-label={`Enable ${host}`}
          disabledReason={reason}
          pending={toggle.pending}
          onClick={() => toggle.submit({ enabled: true })}
        >
          Enable
        </Button>
      )}
      <ConfirmButton
        size="sm"
        label="Rotate secret"
        aria-label={`Rotate secret of ${host}`}
        disabledReason={reason}
        title="Rotate the secret?"
        action="Rotate secret"
        mutation={{
          run: (_input, headers) => client.webhooks.rotateSecret({ params }, { headers }),
          refresh,
          onDone: ({ secret }) => {
            if (secret !== null) onRotated(secret);
          },
        }}
      >
        The new secret is shown once. Deliveries are also signed by the previous one for 24 hours.
      </ConfirmButton>
      <ConfirmButton
        size="sm"
        label="Delete"
        aria-label={`Delete ${host}`}
        disabledReason={reason}
        title="Delete this webhook?"
        mutation={{
          run: (_input, headers) => client.webhooks.delete({ params }, { headers }),
          refresh,
          successMessage: () => "The webhook is deleted",
        }}
      >
        Its log of deliveries is deleted, too. Waiting deliveries are not sent.
      </ConfirmButton>
    </div>
  );
}
