import type { ReactElement } from "react";
import type { Project } from "#shared/api/code/projects.js";
import { StatusDot } from "../../../../ui/feedback/badge.js";
import { Progress } from "../../../../ui/feedback/meter.js";

/** The status as a word; a progress bar during an import. */
export function ProjectStatus({ project }: { project: Project }): ReactElement {
  switch (project.status) {
    case "ready":
      return <StatusDot tone="good">Ready</StatusDot>;
    case "failed":
      return <StatusDot tone="bad">Failed</StatusDot>;
    case "importing":
      return (
        <span className="flex w-36 flex-col gap-1">
          <StatusDot tone="accent">Importing {project.progress} %</StatusDot>
          <Progress label="Import" percent={project.progress} />
        </span>
      );
  }
}
