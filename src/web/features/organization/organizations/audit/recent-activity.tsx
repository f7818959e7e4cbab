import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { paths } from "../../../../paths/paths.js";
import { RelativeTime } from "../../../../ui/text/time.js";
import { useDenyReason } from "../../../../access/permissions.js";
import { ResourceCard } from "../../../../components/resource-card.js";
import { Actor, EventSummary } from "./event-text.js";
import { recentEventsQuery } from "../../../../api/queries/organization/audit.js";

/** The last events of the audit log; nothing if the viewer may not read it. */
export function RecentActivity({ orgId }: { orgId: string }): ReactElement | null {
  return useDenyReason(orgId)("org:audit:read") === undefined ? <Recent orgId={orgId} /> : null;
}

function Recent({ orgId }: { orgId: string }): ReactElement {
  const events = useQuery(recentEventsQuery(orgId));
  return (
    <ResourceCard
      title="Recent activity"
      actions={
        <Link
          {...paths.organizationSettings(orgId, { tab: "audit" })}
          className="text-[13px] text-accent-ink hover:underline"
        >
          Audit log
        </Link>
      }
      query={events}
      rows={2}
    >
      {(recent) => (
        <ul className="-my-2 divide-y divide-line">
          {recent.map((event) => (
            <li key={event.id} className="py-2">
              <div>
                <Actor actor={event.actor} /> <EventSummary event={event} />
              </div>
              <div className="text-[13px] text-muted">
                <RelativeTime value={event.at} />
              </div>
            </li>
          ))}
        </ul>
      )}
    </ResourceCard>
  );
}
