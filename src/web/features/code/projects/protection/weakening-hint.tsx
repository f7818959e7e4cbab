import type { ReactElement } from "react";
import { Alert } from "../../../../ui/feedback/alert.js";

/** States that saving proposes a change, because rules that it weakens ask for approvals. */
export function WeakeningHint({ approvals }: { approvals: number }): ReactElement | null {
  if (approvals === 0) return null;
  return (
    <Alert tone="warn">
      {approvals === 1
        ? "This weakens a rule that asks for an approval. Another person must approve it before it takes effect, if anyone else can."
        : `This weakens a rule that asks for ${approvals} approvals. ${approvals} other people must approve it before it takes effect, or all who can if they are fewer.`}
    </Alert>
  );
}
