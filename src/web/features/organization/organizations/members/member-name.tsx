import type { ReactElement } from "react";
import type { Member } from "#shared/api/organization/members.js";
import { Badge } from "../../../../ui/feedback/badge.js";
import { PlainText } from "../../../../ui/text/plain-text.js";

/** A person's name and address, or the name of an agent or a service account with a badge. */
export function MemberName({ member, isMe }: { member: Member; isMe: boolean }): ReactElement {
  return (
    <div className="min-w-0">
      <div className="flex flex-wrap items-center gap-1.5">
        <span className="font-medium">
          <PlainText value={member.display_name} />
        </span>
        {isMe && <Badge tone="accent">You</Badge>}
        {member.kind === "agent" && <Badge>Agent</Badge>}
        {member.kind === "service_account" && <Badge>Service account</Badge>}
      </div>
      {member.email !== null && member.email !== member.display_name && (
        <div className="text-[13px] text-muted">
          <PlainText value={member.email} />
        </div>
      )}
    </div>
  );
}
