import type { ReactElement } from "react";
import { Alert } from "../../../../ui/feedback/alert.js";
import type { Isolation } from "./isolation.js";
import { unenforcedLimits } from "./isolation.js";

/** Warns before a command runs about limits that are not enforced. */
export function SandboxNotice({ isolation }: { isolation: Isolation }): ReactElement | null {
  const unenforced = unenforcedLimits(isolation);
  const limits = `The limits of ${unenforced} cannot be enforced here`;
  if (isolation.mode === "off") {
    return (
      <Alert tone="warn">
        There is no sandbox (OMOI_SANDBOX is off): the command can read what the server&apos;s user
        for agents can read, and has the machine&apos;s network.
        {unenforced !== "" && ` ${limits}.`}
      </Alert>
    );
  }
  return unenforced !== "" ? (
    <Alert tone="warn">
      {limits}, and such commands are refused. The server&apos;s operator can change that; see
      Sandbox and Limits.
    </Alert>
  ) : null;
}
