import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { ForgeDelivery } from "#shared/api/work/forge-deliveries.js";
import { useDenyReason } from "../../../../access/permissions.js";
import { client } from "../../../../api/client.js";
import { useCursorPages } from "../../../../api/cursor-pages.js";
import { organizationQuery } from "../../../../api/queries/organization/organizations.js";
import { forgeDeliveryList, forgeQuery, forgesKey } from "../../../../api/queries/work/forges.js";
import { useLoaded } from "../../../../api/use-loaded.js";
import { useApiMutation } from "../../../../api/use-mutation.js";
import { Await } from "../../../../components/await.js";
import { ConfirmButton } from "../../../../components/confirmations.js";
import { CrumbLink } from "../../../../components/crumb-link.js";
import { paths } from "../../../../paths/paths.js";
import { Button, buttonClass } from "../../../../ui/actions/button.js";
import { StatusDot } from "../../../../ui/feedback/badge.js";
import { SelectField } from "../../../../ui/fields/select.js";
import { Card } from "../../../../ui/layout/card.js";
import { Page } from "../../../../ui/layout/page.js";
import { PageSteps } from "../../../../ui/tables/list-view.js";
import { Table } from "../../../../ui/tables/table.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../../ui/text/time.js";
import { forgeTitles, type Webhook } from "./forge-dialog.js";
import { WebhookDialog } from "./webhook-dialog.js";

const route = getRouteApi("/app/organizations/$orgId/forges/$forgeId/deliveries");

const labels = {
  pending: "Waiting",
  done: "Done",
  ignored: "Ignored",
  failed: "Failed",
} as const;

const statuses = Object.keys(labels) as (keyof typeof labels)[];

/** The events of a forge: what was done, or why nothing was. */
export function ForgeDeliveriesPage(): ReactElement {
  const { orgId, forgeId } = route.useParams();
  const { data: forge } = useLoaded(forgeQuery(orgId, forgeId));
  const { data: organization } = useQuery(organizationQuery(orgId));
  const refusal = useDenyReason(orgId);
  const [webhook, setWebhook] = useState<Webhook | null>(null);
  const reason = refusal("org:forges:write");
  const crumbs = [
    <CrumbLink key="organization" {...paths.organization(orgId)}>
      <PlainText value={organization?.name ?? "Organization"} />
    </CrumbLink>,
    <CrumbLink key="forges" {...paths.organizationSettings(orgId, { tab: "forges" })}>
      Forges
    </CrumbLink>,
  ];
  return (
    <Page
      title={`Deliveries of ${forge.name}`}
      crumbs={crumbs}
      actions={
        <>
          {forge.auth === "token" && (
            <ConfirmButton
              label="Replace secret"
              disabledReason={reason}
              title="Replace the secret of the webhooks?"
              mutation={{
                run: (_input, headers) =>
                  client.forges.rotateWebhookSecret(
                    { params: { org_id: orgId, forge_id: forgeId } },
                    { headers },
                  ),
                refresh: [forgesKey(orgId)],
                successMessage: () => "The secret is replaced",
                onDone: (data) => setWebhook(data.webhook),
              }}
            >
              Webhooks that Omoi has added get the new one. Those that you have added are refused
              until you enter it there.
            </ConfirmButton>
          )}
          <Link
            {...paths.organizationSettings(orgId, { tab: "forges" })}
            className={buttonClass("secondary")}
          >
            Settings
          </Link>
        </>
      }
    >
      <p className="text-muted [overflow-wrap:anywhere]">
        {forgeTitles[forge.kind]} · <PlainText value={forge.account} />
        {forge.auth === "app" ? " · connected by App" : " · connected by token"}
        {forge.delivery === "polling" ? " · asked every 30 s" : " · sends events"}
        {forge.last_event_at !== null && (
          <>
            {" · last event "}
            <RelativeTime value={forge.last_event_at} />
          </>
        )}
      </p>
      <DeliveriesCard orgId={orgId} forgeId={forgeId} reason={reason} />
      {webhook !== null && <WebhookDialog webhook={webhook} onClose={() => setWebhook(null)} />}
    </Page>
  );
}

interface ListProps {
  orgId: string;
  forgeId: string;
  /** Why the viewer may not replay. */
  reason: string | undefined;
}

function DeliveriesCard({ orgId, forgeId, reason }: ListProps): ReactElement {
  const [status, setStatus] = useState("");
  const chosen = statuses.find((candidate) => candidate === status);
  const { query, rows, place } = useCursorPages(forgeDeliveryList(orgId, forgeId, chosen));
  return (
    <Card title="Events">
      <div className="flex flex-col gap-4">
        <SelectField
          label="State"
          name="status"
          value={status}
          onChange={setStatus}
          options={[
            { value: "", label: "All" },
            ...statuses.map((value) => ({ value, label: labels[value] })),
          ]}
        />
        <Await query={query} rows={5} what="The deliveries">
          {() =>
            rows.length === 0 ? (
              <p className="text-muted">
                No events yet. Label an issue, or mention Omoi in a comment.
              </p>
            ) : (
              <div className="-mx-4 -mb-4">
                <Table
                  label="Events"
                  rows={rows}
                  rowKey={({ id }) => id}
                  columns={[
                    {
                      name: "Received",
                      renderCell: ({ received_at }) => <RelativeTime value={received_at} />,
                    },
                    {
                      name: "Event",
                      renderCell: ({ event }) => (
                        <code className="font-mono text-[13px] [overflow-wrap:anywhere]">
                          {event}
                        </code>
                      ),
                    },
                    { name: "Of", renderCell: (row) => <Subject delivery={row} /> },
                    { name: "What was done", renderCell: (row) => <Decision delivery={row} /> },
                    {
                      name: "Actions",
                      hideName: true,
                      renderCell: (row) => (
                        <Replay orgId={orgId} forgeId={forgeId} reason={reason} delivery={row} />
                      ),
                    },
                  ]}
                />
                <PageSteps label="Pages of events" {...place} />
              </div>
            )
          }
        </Await>
      </div>
    </Card>
  );
}

function Subject({ delivery }: { delivery: ForgeDelivery }): ReactElement {
  const { repository, number, login } = delivery;
  const name = repository === null ? "no repository" : repository;
  return (
    <span className="[overflow-wrap:anywhere]">
      <PlainText value={number === null ? name : `${name}#${number}`} />
      {login !== null && (
        <span className="text-muted">
          {" by "}
          <PlainText value={login} />
        </span>
      )}
    </span>
  );
}

const words = {
  waiting: "Waiting",
  started: "Started",
  prompted: "Prompted",
  answered: "Answered",
  queued: "Queued",
  recorded: "Recorded",
  ignored: "Ignored",
  failed: "Failed",
} as const;
const tones = { pending: "warn", done: "good", ignored: "neutral", failed: "bad" } as const;

function Decision({ delivery }: { delivery: ForgeDelivery }): ReactElement {
  const { status, decision, reason, task_id, task_number } = delivery;
  return (
    <span className="flex flex-col gap-0.5">
      <span className="inline-flex flex-wrap items-baseline gap-x-1.5">
        <StatusDot tone={tones[status]}>{words[decision]}</StatusDot>
        {task_id !== null && (
          <Link {...paths.task(task_id)} className="text-accent underline">
            task #{task_number}
          </Link>
        )}
      </span>
      {reason !== null && (
        <span className="text-[13px] text-muted [overflow-wrap:anywhere]">
          <PlainText value={reason} />
        </span>
      )}
    </span>
  );
}

function Replay({
  orgId,
  forgeId,
  reason,
  delivery,
}: ListProps & { delivery: ForgeDelivery }): ReactElement {
  const params = { org_id: orgId, forge_id: forgeId, delivery_id: delivery.id };
  const { submit, pending } = useApiMutation({
    run: (_input: undefined, headers) => client.forgeDeliveries.replay({ params }, { headers }),
    refresh: [forgesKey(orgId)],
    successMessage: () => "The event is worked on again",
    toastErrors: true,
  });
  const nothing =
    delivery.project_id === null ? "No project is linked to the repository." : undefined;
  return (
    <Button
      size="sm"
      pending={pending}
      disabledReason={reason ?? nothing}
      aria-label={`Replay ${delivery.event}`}
      onClick={() => submit(undefined)}
    >
      Replay
    </Button>
  );
}
