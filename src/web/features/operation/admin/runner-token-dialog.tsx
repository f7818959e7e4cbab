import type { ReactElement } from "react";
import { runnerCommand } from "#shared/execution/runner/runner-command.js";
import { ShownOnceDialog } from "../../../ui/overlays/shown-once-dialog.js";
import { visible } from "../../../ui/text/plain-text.js";

interface RunnerTokenDialogProps {
  name: string;
  token: string;
  onClose: () => void;
}

/** Shows the command that starts a new runner, with its token, once. */
export function RunnerTokenDialog({ name, token, onClose }: RunnerTokenDialogProps): ReactElement {
  return (
    <ShownOnceDialog
      title={`${visible(name)} is registered`}
      secret={runnerCommand(location.origin, token)}
      noun="command"
      copyLabel="Copy command"
      onClose={onClose}
    >
      Run it on the machine of the runner. It contains the token, which is not stored. Choose the
      labels that its runs may need, such as{" "}
      <code className="font-mono text-[13px]">linux,gpu</code>.
    </ShownOnceDialog>
  );
}
