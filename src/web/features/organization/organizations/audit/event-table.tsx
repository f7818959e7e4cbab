import { type ReactElement, useId, useState } from "react";
import type { AuditEvent } from "#shared/api/organization/audit.js";
import { Button } from "../../../../ui/actions/button.js";
import { Table } from "../../../../ui/tables/table.js";
import { Time } from "../../../../ui/text/time.js";
import { EventChanges } from "./event-changes.js";
import { EventDetails } from "./event-details.js";
import { Actor, EventSummary } from "./event-text.js";

export function EventTable({ events }: { events: readonly AuditEvent[] }): ReactElement {
  const id = useId();
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const toggle = (eventId: string): void => {
    const next = new Set(open);
    if (!next.delete(eventId)) next.add(eventId);
    setOpen(next);
  };
  return (
    <Table
      label="Audit log"
      rows={events}
      rowKey={(event) => event.id}
      renderDetails={(event) =>
        open.has(event.id) ? (
          <section id={`${id}-${event.id}`} aria-label={`Details of event ${event.sequence}`}>
            <EventDetails event={event} />
          </section>
        ) : undefined
      }
      columns={[
        { name: "When", renderCell: ({ at }) => <Time value={at} withSeconds /> },
        { name: "Who", renderCell: ({ actor }) => <Actor actor={actor} /> },
        {
          name: "What",
          renderCell: (event) => (
            <>
              <EventSummary event={event} />
              <EventChanges changes={event.changes} />
            </>
          ),
        },
        {
          name: "Details",
          hideName: true,
          renderCell: (event) => {
            const isOpen = open.has(event.id);
            return (
              <div className="md:text-right">
                <Button
                  variant="ghost"
                  size="sm"
                  className="-ml-2.5 md:ml-0"
                  icon={isOpen ? "chevronDown" : "chevronRight"}
                  aria-expanded={isOpen}
                  aria-controls={isOpen ? `${id}-${event.id}` : undefined}
                  aria-label={`Details of event ${event.sequence}`}
                  onClick={() => toggle(event.id)}
                >
                  Details
                </Button>
              </div>
            );
          },
        },
      ]}
    />
  );
}
