import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Project } from "#shared/api/code/projects.js";
import { needsQueue } from "#shared/code/protection.js";
import { paths } from "../../../../paths/paths.js";

/** States that nothing is queued, or how merges come to be queued. */
export function EmptyQueue({ project }: { project: Project }): ReactElement {
  if (project.protected_branches.some(needsQueue)) {
    return <p className="text-muted">Nothing is waiting to be merged.</p>;
  }
  return (
    <p className="text-muted">
      Merges land directly. To queue them, protect a branch with checks or approvals in the{" "}
      <Link {...paths.projectSettings(project.id)} className="text-accent-ink underline">
        settings
      </Link>
      .
    </p>
  );
}
