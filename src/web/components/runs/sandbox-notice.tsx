import type { ReactElement } from "react";
import { Alert } from "../../ui/alert.js";
import type { Isolation } from "./isolation.js";
import { unheldLimits } from "./isolation.js";

/** Says before a command runs what it would not be held to; nothing where all holds. */
export function SandboxNotice({ isolation }: { isolation: Isolation }): ReactElement | null {
  const unheld = unheldLimits(isolation);
  const limits = `The limits of ${unheld} cannot be held here`;
  if (isolation.mode === "off") {
    return (
      <Alert tone="warn">
        There is no sandbox (OMOI_SANDBOX is off): the command can read what the server&apos;s user
        for agents can read, and has the machine&apos;s network.
        {unheld !== "" && ` ${limits}.`}
      </Alert>
    );
  }
  return unheld !== "" ? (
    <Alert tone="warn">
      {limits}, and such commands are refused. Whoever runs the server can change that; see Sandbox
      and Limits.
    </Alert>
  ) : null;
}
