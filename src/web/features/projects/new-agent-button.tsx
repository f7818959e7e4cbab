import { lazy, type ReactElement, Suspense, useState } from "react";
import type { Project } from "#shared/api/projects/projects.js";
import { loadPart } from "../../hooks/connection.js";
import { Button } from "../../ui/actions/button.js";

const NewAgentDialog = lazy(async () => ({
  default: (await loadPart(() => import("../../components/agents/new-agent-dialog.js")))
    .NewAgentDialog,
}));

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
      {isOpen && (
        <Suspense>
          <NewAgentDialog
            isOpen
            onClose={() => setOpen(false)}
            orgId={project.organization_id}
            projectId={project.id}
          />
        </Suspense>
      )}
    </>
  );
}
