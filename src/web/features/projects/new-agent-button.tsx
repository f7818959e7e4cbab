import { type ReactElement, useState } from "react";
import type { Project } from "#shared/api/projects/projects.js";
import { NewAgentDialog } from "../../components/agents/new-agent-dialog.js";
import { Button } from "../../ui/actions/button.js";

interface NewAgentButtonProps {
  project: Project;
  disabledReason: string | undefined;
}

export function NewAgentButton({ project, disabledReason }: NewAgentButtonProps): ReactElement {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button icon="plus" disabledReason={disabledReason} onClick={() => setOpen(true)}>
        New agent
      </Button>
      <NewAgentDialog
        isOpen={isOpen}
        onClose={() => setOpen(false)}
        orgId={project.organization_id}
        projectId={project.id}
      />
    </>
  );
}
