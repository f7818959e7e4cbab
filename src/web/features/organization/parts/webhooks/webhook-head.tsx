import type { ReactElement } from "react";
import { StatusDot } from "../../../../ui/feedback/badge.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../../ui/text/time.js";

interface WebhookHeadProps {
  webhook: { url: string; disabled_reason: string | null; failing_since: string | null };
}

/** The address of a webhook, and whether it works. */
export function WebhookHead({
  webhook: { url, disabled_reason, failing_since },
}: WebhookHeadProps): ReactElement {
  return (
    <div className="flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1">
      <PlainText
        value={url}
        className="min-w-0 font-mono text-[13px] font-medium [overflow-wrap:anywhere]"
      />
      {disabled_reason !== null ? (
        <StatusDot tone="neutral">Disabled</StatusDot>
      ) : failing_since !== null ? (
        <StatusDot tone="bad">
          Failing since <RelativeTime value={failing_since} />
        </StatusDot>
      ) : (
        <StatusDot tone="good">Enabled</StatusDot>
      )}
    </div>
  );
}
