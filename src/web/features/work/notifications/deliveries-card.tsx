import { type ReactElement, useState } from "react";
import type { NotificationDelivery } from "#shared/api/work/notifications.js";
import { useCursorPages } from "../../../api/cursor-pages.js";
import { notificationDeliveries } from "../../../api/queries/work/notifications.js";
import { ResourceCard } from "../../../components/resource-card.js";
import { StatusDot } from "../../../ui/feedback/badge.js";
import { Select } from "../../../ui/fields/select.js";
import { PageSteps } from "../../../ui/tables/list-view.js";
import { Table } from "../../../ui/tables/table.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../ui/text/time.js";

const tones = { pending: "warn", delivered: "good", failed: "bad", skipped: "neutral" } as const;
const labels = {
  pending: "Waiting",
  delivered: "Sent",
  failed: "Failed",
  skipped: "Not sent",
} as const;

/** The log of the user's notifications, newest first. */
export function DeliveriesCard(): ReactElement {
  const [channel, setChannel] = useState("");
  const chosen = channel === "email" || channel === "webhook" ? channel : undefined;
  const { query, rows, place } = useCursorPages(notificationDeliveries(chosen));
  return (
    <ResourceCard
      title="Latest notifications"
      actions={
        <Select
          aria-label="Channel"
          value={channel}
          onChange={setChannel}
          options={[
            { value: "", label: "All channels" },
            { value: "email", label: "Email" },
            { value: "webhook", label: "Webhook" },
          ]}
        />
      }
      query={query}
      rows={3}
      what="The notifications"
    >
      {() =>
        rows.length === 0 ? (
          <p className="text-muted">Nothing was sent.</p>
        ) : (
          <div className="-m-4">
            <Table
              label="Notifications"
              rows={rows}
              rowKey={({ id }) => id}
              columns={[
                { name: "Notification", renderCell: (row) => <Subject delivery={row} /> },
                {
                  name: "Channel",
                  renderCell: (row) => (row.channel === "email" ? "Email" : "Webhook"),
                },
                { name: "State", renderCell: (row) => <State delivery={row} /> },
                {
                  name: "Created",
                  renderCell: ({ created_at }) => <RelativeTime value={created_at} />,
                },
              ]}
            />
            <PageSteps label="Pages of notifications" {...place} />
          </div>
        )
      }
    </ResourceCard>
  );
}

function Subject({ delivery }: { delivery: NotificationDelivery }): ReactElement {
  const { text, path, organization } = delivery;
  if (text === null) return <span className="text-muted">You may no longer see it</span>;
  return (
    <span className="[overflow-wrap:anywhere]">
      {path === null ? (
        <PlainText value={text} />
      ) : (
        <a href={path} className="text-accent-ink underline">
          <PlainText value={text} />
        </a>
      )}
      {organization !== null && (
        <span className="block text-[13px] text-muted">
          <PlainText value={organization.name} />
        </span>
      )}
    </span>
  );
}

function State({ delivery }: { delivery: NotificationDelivery }): ReactElement {
  const { status, error } = delivery;
  return (
    <>
      <StatusDot tone={tones[status]}>{labels[status]}</StatusDot>
      {error !== null && (
        <span className="mt-0.5 block text-[13px] text-muted">
          <PlainText value={error} />
        </span>
      )}
    </>
  );
}
