import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { Delivery, Webhook } from "#shared/api/operation/webhooks.js";
import { deliveryStatuses } from "#shared/operation/webhook-choices.js";
import { client } from "../../../../api/client.js";
import { useCursorPages } from "../../../../api/cursor-pages.js";
import {
  deliveryList,
  deliveryQuery,
  webhooksKey,
} from "../../../../api/queries/operation/webhooks.js";
import { useApiMutation } from "../../../../api/use-mutation.js";
import { Await } from "../../../../components/await.js";
import { ScriptText } from "../../../../ui/text/script-text.js";
import { Button } from "../../../../ui/actions/button.js";
import { StatusDot } from "../../../../ui/feedback/badge.js";
import { SelectField } from "../../../../ui/fields/select.js";
import { Details } from "../../../../ui/layout/card.js";
import { Dialog } from "../../../../ui/overlays/dialog.js";
import { PageSteps } from "../../../../ui/tables/list-view.js";
import { Table } from "../../../../ui/tables/table.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { RelativeTime, Time } from "../../../../ui/text/time.js";

interface DeliveriesDialogProps {
  orgId: string;
  webhook: Webhook;
  /** Why the viewer may not send again. */
  reason: string | undefined;
  onClose: () => void;
}

const tones = { pending: "warn", delivered: "good", failed: "bad" } as const;
const labels = { pending: "Waiting", delivered: "Delivered", failed: "Failed" } as const;

/** The log of a webhook's deliveries, newest first. */
export function DeliveriesDialog(props: DeliveriesDialogProps): ReactElement {
  const { orgId, webhook, onClose } = props;
  const [status, setStatus] = useState("");
  const [open, setOpen] = useState<string | null>(null);
  const chosen = deliveryStatuses.find((candidate) => candidate === status);
  const { query, rows, place } = useCursorPages(deliveryList(orgId, webhook.id, chosen));
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="wide"
      title="Deliveries"
      description={
        <>
          To <PlainText value={webhook.url} className="[overflow-wrap:anywhere]" />, of the last 30
          days.
        </>
      }
    >
      <div className="flex flex-col gap-4">
        <SelectField
          label="State"
          name="status"
          value={status}
          onChange={setStatus}
          options={[
            { value: "", label: "All" },
            ...deliveryStatuses.map((value) => ({ value, label: labels[value] })),
          ]}
        />
        <Await query={query} rows={3} what="The deliveries">
          {() =>
            rows.length === 0 ? (
              <p className="text-muted">No deliveries.</p>
            ) : (
              <div className="-mx-5 -mb-5">
                <Table
                  label="Deliveries"
                  rows={rows}
                  rowKey={({ id }) => id}
                  columns={[
                    {
                      name: "Event",
                      renderCell: ({ event_type }) => (
                        <code className="font-mono text-[13px] [overflow-wrap:anywhere]">
                          {event_type}
                        </code>
                      ),
                    },
                    { name: "State", renderCell: (row) => <State delivery={row} /> },
                    {
                      name: "Created",
                      renderCell: ({ created_at }) => <RelativeTime value={created_at} />,
                    },
                    {
                      name: "Actions",
                      hideName: true,
                      renderCell: ({ id, event_type }) => (
                        <Button
                          size="sm"
                          aria-expanded={open === id}
                          aria-label={`Details of ${event_type}`}
                          onClick={() => setOpen(open === id ? null : id)}
                        >
                          Details
                        </Button>
                      ),
                    },
                  ]}
                  renderDetails={(delivery) =>
                    open === delivery.id ? (
                      <DeliveryDetails {...props} delivery={delivery} />
                    ) : undefined
                  }
                />
                <PageSteps label="Pages of deliveries" {...place} />
              </div>
            )
          }
        </Await>
      </div>
    </Dialog>
  );
}

function State({ delivery }: { delivery: Delivery }): ReactElement {
  const { status, attempts, last_attempt } = delivery;
  const isSending = status === "pending" && last_attempt?.duration_ms === null;
  return (
    <span className="inline-flex flex-wrap items-baseline gap-x-2">
      <StatusDot tone={tones[status]}>
        {isSending ? "Sending" : status === "pending" && attempts > 0 ? "Retrying" : labels[status]}
      </StatusDot>
      {last_attempt?.response_status != null && (
        <span className="text-[13px] text-muted">{last_attempt.response_status}</span>
      )}
    </span>
  );
}

function DeliveryDetails({
  orgId,
  webhook,
  reason,
  delivery,
}: DeliveriesDialogProps & { delivery: Delivery }): ReactElement {
  const query = useQuery(deliveryQuery(orgId, webhook.id, delivery.id));
  const params = { org_id: orgId, webhook_id: webhook.id, delivery_id: delivery.id };
  const { submit, pending } = useApiMutation({
    run: (_input: undefined, headers) => client.webhooks.redeliver({ params }, { headers }),
    refresh: [webhooksKey(orgId)],
    successMessage: () => "The event is being sent again",
    toastErrors: true,
  });
  const { last_attempt, next_attempt_at, attempts, event_id } = delivery;
  const disabled = webhook.enabled ? undefined : "The webhook is disabled.";
  return (
    <div className="flex flex-col gap-3 pb-2">
      <Details
        rows={{
          "Event's id": <code className="font-mono text-[13px]">{event_id}</code>,
          Attempts: attempts,
          ...(last_attempt && {
            "Last attempt": (
              <>
                <Time value={last_attempt.at} />
                {last_attempt.duration_ms !== null && `, ${last_attempt.duration_ms} ms`}
              </>
            ),
          }),
          ...(next_attempt_at !== null && { "Next attempt": <Time value={next_attempt_at} /> }),
          ...(last_attempt?.error != null && { Reason: <PlainText value={last_attempt.error} /> }),
        }}
      />
      {last_attempt?.response_body != null && (
        <Text label="Response" text={last_attempt.response_body} />
      )}
      <Await query={query} rows={3} what="The payload">
        {({ payload }) => <Text label="Payload" text={JSON.stringify(payload, null, 2)} />}
      </Await>
      <div>
        <Button
          size="sm"
          pending={pending}
          disabledReason={reason ?? disabled}
          onClick={() => submit(undefined)}
        >
          Redeliver
        </Button>
      </div>
    </div>
  );
}

/** Text of the receiver, or of an event. */
function Text({ label, text }: { label: string; text: string }): ReactElement {
  return (
    <div className="flex min-w-0 flex-col gap-1">
      <h3 className="text-[13px] font-medium">{label}</h3>
      <ScriptText label={label} text={text} />
    </div>
  );
}
