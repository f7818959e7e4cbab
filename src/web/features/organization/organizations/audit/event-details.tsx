import type { ReactElement } from "react";
import type { AuditEvent } from "#shared/api/organization/audit.js";
import { Details } from "../../../../ui/layout/card.js";
import { CopyIcon } from "../../../../ui/feedback/copy-button.js";
import { EventChanges } from "./event-changes.js";

/** All fields of an event, including the input of its hash. */
export function EventDetails({ event }: { event: AuditEvent }): ReactElement {
  const { actor, target } = event;
  return (
    <div className="flex flex-col gap-3">
      <EventChanges changes={event.changes} isWhole />
      <Details
        rows={{
          Sequence: <Mono text={String(event.sequence)} />,
          Time: <Mono text={event.at} />,
          "IP address": event.ip === null ? "none" : <Mono text={event.ip} />,
          ...(event.request_id === null
            ? {}
            : { Request: <Mono text={event.request_id} copied="Copy request id" /> }),
          ...(actor.id === null
            ? {}
            : { Person: <Mono text={actor.id} copied="Copy person id" /> }),
          ...(actor.api_key_id === null
            ? {}
            : { "API key": <Mono text={actor.api_key_id} copied="Copy API key id" /> }),
          [target.type === "api_key" ? "Key changed" : "Changed"]: (
            <Mono text={target.id} copied="Copy target ID" />
          ),
          Hash: <Mono text={event.hash} copied="Copy hash" />,
          "Hash before": <Mono text={event.previous_hash} copied="Copy hash before" />,
        }}
      />
    </div>
  );
}

function Mono({ text, copied }: { text: string; copied?: string }): ReactElement {
  return (
    <span className="flex min-w-0 items-start gap-0.5">
      <code className="min-w-0 font-mono text-[13px] break-all">{text}</code>
      {copied !== undefined && <CopyIcon text={text} label={copied} />}
    </span>
  );
}
