import type { ReactElement } from "react";
import type { AuditEvent } from "#shared/api/organization/audit.js";
import { auditActions } from "#shared/organization/audit.js";
import { Badge } from "../../../../ui/feedback/badge.js";
import { Icon } from "../../../../ui/actions/icons.js";
import { PlainText } from "../../../../ui/text/plain-text.js";

/** The actor's name at the time of the event, and the credential used. */
export function Actor({ actor }: { actor: AuditEvent["actor"] }): ReactElement {
  return (
    <span className="inline-flex max-w-full flex-wrap items-center gap-x-1.5">
      <PlainText value={actor.name} className="font-medium" />
      {actor.type === "system" && <Badge>Server</Badge>}
      {actor.type === "agent" && <Badge>Agent</Badge>}
      {actor.type === "service_account" && <Badge>Service account</Badge>}
      {actor.api_key_id !== null && (
        <Badge>
          <Icon name="key" className="mr-1 !size-3" />
          API key
        </Badge>
      )}
    </span>
  );
}

/** "changed a member's role: Bob"; omits a target that the sentence or the page already names. */
export function EventSummary({ event }: { event: AuditEvent }): ReactElement {
  const isNamed = event.target.type === "organization" || event.action === "member.left";
  return (
    <>
      {auditActions[event.action]}
      {!isNamed && (
        <>
          : <PlainText value={event.target.name} className="font-medium" />
        </>
      )}
    </>
  );
}
