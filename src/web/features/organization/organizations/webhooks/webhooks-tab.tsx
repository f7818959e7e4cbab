import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { Webhook } from "#shared/api/operation/webhooks.js";
import { checkingReason, type DenyReason } from "../../../../access/deny-reason.js";
import { webhooksQuery } from "../../../../api/queries/operation/webhooks.js";
import { Await } from "../../../../components/await.js";
import { Button } from "../../../../ui/actions/button.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { Skeleton } from "../../../../ui/feedback/states.js";
import { Card } from "../../../../ui/layout/card.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { DeliveriesDialog } from "./deliveries-dialog.js";
import { SecretDialog } from "../../parts/webhooks/secret-dialog.js";
import { WebhookHead } from "../../parts/webhooks/webhook-head.js";
import { WebhookActions } from "./webhook-actions.js";
import { EditWebhookDialog, NewWebhookDialog } from "./webhook-dialog.js";

interface WebhooksTabProps {
  orgId: string;
  refusal: DenyReason;
}

/** The organization's webhooks. */
export function WebhooksTab(props: WebhooksTabProps): ReactElement {
  const reason = props.refusal("org:webhooks:read");
  if (reason === checkingReason) return <Skeleton />;
  if (reason !== undefined) {
    return <Alert tone="info">{reason} Ask an owner or an admin for it.</Alert>;
  }
  return <Webhooks {...props} />;
}

type Shown =
  | { dialog: "new" }
  | { dialog: "edit" | "deliveries"; id: string }
  | { dialog: "secret"; title: string; secret: string };

function Webhooks({ orgId, refusal }: WebhooksTabProps): ReactElement {
  const webhooks = useQuery(webhooksQuery(orgId));
  const reason = refusal("org:webhooks:write");
  const [shown, setShown] = useState<Shown | null>(null);
  const close = (): void => setShown(null);
  const id = shown !== null && "id" in shown ? shown.id : null;
  const webhook = webhooks.data?.find((candidate) => candidate.id === id);
  return (
    <Card
      title="Webhooks"
      actions={
        <Button icon="plus" disabledReason={reason} onClick={() => setShown({ dialog: "new" })}>
          New webhook
        </Button>
      }
    >
      <div className="flex flex-col gap-4">
        <p className="text-muted">
          Your server gets a signed request for each event, such as a failed run or a merge. Failed
          deliveries are repeated for 24 hours.
        </p>
        <Await query={webhooks} rows={2} what="The webhooks">
          {(list) =>
            list.length === 0 ? (
              <p className="text-muted">No webhooks yet.</p>
            ) : (
              <ul className="-mx-4 -mb-4 divide-y divide-line border-t border-line">
                {list.map((item) => (
                  <li key={item.id} className="flex flex-col gap-2 px-4 py-3">
                    <WebhookSummary webhook={item} />
                    <WebhookActions
                      orgId={orgId}
                      webhook={item}
                      reason={reason}
                      onEdit={() => setShown({ dialog: "edit", id: item.id })}
                      onDeliveries={() => setShown({ dialog: "deliveries", id: item.id })}
                      onRotated={(secret) =>
                        setShown({ dialog: "secret", title: "New secret", secret })
                      }
                    />
                  </li>
                ))}
              </ul>
            )
          }
        </Await>
      </div>
      {shown?.dialog === "new" && (
        <NewWebhookDialog
          orgId={orgId}
          refusal={refusal}
          onClose={close}
          onCreated={(_webhook, secret) =>
            setShown({ dialog: "secret", title: "Webhook created", secret })
          }
        />
      )}
      {shown?.dialog === "edit" && webhook && (
        <EditWebhookDialog orgId={orgId} webhook={webhook} refusal={refusal} onClose={close} />
      )}
      {shown?.dialog === "deliveries" && webhook && (
        <DeliveriesDialog orgId={orgId} webhook={webhook} reason={reason} onClose={close} />
      )}
      {shown?.dialog === "secret" && <SecretDialog {...shown} onClose={close} />}
    </Card>
  );
}

const disabledReasons = {
  manual: "",
  gone: "The receiver answered that it is gone (410).",
  failing: "No delivery succeeded for three days.",
  backlog: "Too many deliveries were waiting.",
} as const;

function WebhookSummary({ webhook }: { webhook: Webhook }): ReactElement {
  const { description, events, disabled_reason, created_by } = webhook;
  return (
    <div className="flex min-w-0 flex-col gap-1">
      <WebhookHead webhook={webhook} />
      {description !== null && <PlainText value={description} />}
      <p className="text-[13px] text-muted">
        {events.includes("*") ? (
          "All events"
        ) : (
          <span className="font-mono [overflow-wrap:anywhere]">{events.join(", ")}</span>
        )}
        {" · by "}
        <PlainText value={created_by.name} />
      </p>
      {disabled_reason !== null && disabled_reason !== "manual" && (
        <p className="text-[13px] text-bad">{disabledReasons[disabled_reason]}</p>
      )}
    </div>
  );
}
