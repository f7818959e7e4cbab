import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Project } from "#shared/api/code/projects.js";
import { ProjectStatus } from "../../parts/projects/project-status.js";
import { paths } from "../../../../paths/paths.js";
import { CopyLine } from "../../../../ui/feedback/copy-button.js";
import { Card, Details } from "../../../../ui/layout/card.js";
import { formatNumber } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { Time } from "../../../../ui/text/time.js";

const mono = "font-mono text-[13px]";

/** How to clone a project. */
export function CloneCard({ project }: { project: Project }): ReactElement {
  return (
    <Card title="Clone">
      <div className="flex flex-col gap-1.5">
        <CopyLine text={`git clone ${project.clone_url}`} label="Copy clone command" />
        <p className="text-[13px] text-muted">
          Git asks for a login: use any user name and an{" "}
          <Link {...paths.apiKeys()} className="text-accent-ink underline">
            API key
          </Link>{" "}
          as the password.
        </p>
      </div>
    </Card>
  );
}

export function DetailsCard({ project }: { project: Project }): ReactElement {
  return (
    <Card title="Details">
      <Details
        columns={2}
        rows={{
          Status: <ProjectStatus project={project} />,
          "Default branch": <PlainText value={project.default_branch} className={mono} />,
          Slug: <code className={mono}>{project.slug}</code>,
          Workspaces: formatNumber(project.counts.workspaces),
          Created: <Time value={project.created_at} />,
          Updated: <Time value={project.updated_at} />,
        }}
      />
    </Card>
  );
}
