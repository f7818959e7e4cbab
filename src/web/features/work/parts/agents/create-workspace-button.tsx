import { lazy, type ReactElement, Suspense, useState } from "react";
import { loadPart } from "../../../../hooks/connection.js";
import { Button } from "../../../../ui/actions/button.js";
import { visible } from "../../../../ui/text/plain-text.js";

/** Loaded when it is opened. */
export const CreateWorkspaceDialog = lazy(async () => ({
  default: (await loadPart(() => import("./create-workspace-dialog.js"))).CreateWorkspaceDialog,
}));

interface CreateWorkspaceButtonProps {
  agentId: string;
  agentName: string;
  disabledReason: string | undefined;
  variant?: "primary" | "secondary";
}

/** Whether the button is in a list of agents, which then shows the branch and a link. */
export function CreateWorkspaceButton({
  agentId,
  agentName,
  disabledReason,
  variant = "secondary",
}: CreateWorkspaceButtonProps): ReactElement {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button
        size={variant === "primary" ? "md" : "sm"}
        variant={variant}
        title={`Create workspace for ${visible(agentName)}`}
        disabledReason={disabledReason}
        onClick={() => setOpen(true)}
      >
        Create workspace
      </Button>
      {isOpen && (
        <Suspense>
          <CreateWorkspaceDialog
            isOpen
            onClose={() => setOpen(false)}
            agentId={agentId}
            agentName={agentName}
          />
        </Suspense>
      )}
    </>
  );
}
