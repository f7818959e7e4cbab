import type { ReactElement } from "react";
import { auditSearchOf } from "../../../../paths/address-search.js";
import { useCursorPages } from "../../../../api/cursor-pages.js";
import { useFilters } from "../../../../lists/list-search.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { Card } from "../../../../ui/layout/card.js";
import { PageSteps } from "../../../../ui/tables/list-view.js";
import { countOf } from "../../../../ui/text/number.js";
import { Skeleton } from "../../../../ui/feedback/states.js";
import { checkingReason, type DenyReason } from "../../../../access/deny-reason.js";
import { Await } from "../../../../components/await.js";
import { DownloadLink } from "../../../../components/download-link.js";
import { AuditFilters } from "./audit-filters.js";
import { EventTable } from "./event-table.js";
import { eventList, exportUrl } from "../../../../api/queries/organization/audit.js";

interface AuditTabProps {
  orgId: string;
  refusal: DenyReason;
}

/** The organization's audit log, newest first. */
export function AuditTab({ refusal, ...rest }: AuditTabProps): ReactElement {
  const reason = refusal("org:audit:read");
  if (reason === checkingReason) return <Skeleton />;
  if (reason !== undefined) {
    return <Alert tone="info">{reason} Ask an owner or an admin for it.</Alert>;
  }
  return <AuditLog {...rest} />;
}

function AuditLog({ orgId }: Omit<AuditTabProps, "refusal">): ReactElement {
  const [search, change] = useFilters(auditSearchOf);
  const { query: log, rows: events, place } = useCursorPages(eventList(orgId, search));
  const isFiltered = Object.keys(search).length > 0;
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-3">
        <p className="max-w-3xl min-w-0 flex-1 basis-80 text-muted">
          Each event is recorded in the transaction of its change and contains the hash of the
          previous event. The server&apos;s operator detects edits and gaps with{" "}
          <code className="font-mono text-[13px]">omoi admin verify</code>; a download can be
          verified without the server.
        </p>
        <DownloadLink
          href={exportUrl(orgId, search)}
          text="Download"
          label={isFiltered ? "Download the events that match the filters" : "Download all events"}
        />
      </div>
      <AuditFilters orgId={orgId} search={search} events={events} onChange={change} />
      <Await query={log}>
        {() => (
          <Card isFlush>
            {events.length === 0 ? (
              <p className="px-4 py-10 text-center text-muted">
                {isFiltered ? "No events match these filters." : "No events yet."}
              </p>
            ) : (
              <EventTable events={events} />
            )}
            <PageSteps label="Pages of events" {...place} />
          </Card>
        )}
      </Await>
      <output className="text-[13px] text-muted">
        {log.data !== undefined &&
          `${countOf(events.length, "event")}${place.page > 1 || place.hasNext ? " on this page" : ""}`}
      </output>
    </div>
  );
}
