import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Branch, Project } from "#shared/api/code/projects.js";
import { useCursorPages } from "../../../../api/cursor-pages.js";
import { paths } from "../../../../paths/paths.js";
import { Badge } from "../../../../ui/feedback/badge.js";
import { Card } from "../../../../ui/layout/card.js";
import { CommitId } from "../../../../ui/feedback/copy-button.js";
import { PageSteps } from "../../../../ui/tables/list-view.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { Table } from "../../../../ui/tables/table.js";
import { RelativeTime } from "../../../../ui/text/time.js";
import { Waiting } from "../../../../components/await.js";
import { branchList } from "../../../../api/queries/code/projects.js";

/** The project's branches with their tips. */
export function BranchesCard({ project }: { project: Project }): ReactElement {
  return (
    <Card title="Branches">
      <BranchList projectId={project.id} isReady={project.status === "ready"} />
    </Card>
  );
}

function BranchList({ projectId, isReady }: { projectId: string; isReady: boolean }): ReactElement {
  const { query: branches, rows, place } = useCursorPages(branchList(projectId), isReady);
  if (!isReady) return <p className="text-muted">They are here once the project is ready.</p>;
  if (branches.data === undefined) return <Waiting query={branches} />;
  return (
    <div className="-m-4">
      <Table
        label="Branches"
        rows={rows}
        rowKey={(branch) => branch.name}
        columns={[
          { name: "Branch", renderCell: (branch) => <BranchName branch={branch} /> },
          { name: "Commit", renderCell: (branch) => <CommitId sha={branch.commit_sha} /> },
          {
            name: "Message",
            renderCell: (branch) => <PlainText value={branch.subject} />,
          },
          {
            name: "Committed",
            renderCell: (branch) => <RelativeTime value={branch.committed_at} />,
          },
        ]}
      />
      <PageSteps label="Pages of branches" {...place} />
    </div>
  );
}

function BranchName({ branch }: { branch: Branch }): ReactElement {
  const name = <PlainText value={branch.name} className="font-mono text-[13px]" />;
  return (
    <span className="inline-flex flex-wrap items-center gap-2">
      {branch.agent_id === null ? (
        name
      ) : (
        <Link
          {...paths.workspace(branch.agent_id)}
          className="inline-flex min-h-6 items-center text-accent-ink hover:underline"
        >
          {name}
        </Link>
      )}
      {branch.is_default && <Badge>default</Badge>}
    </span>
  );
}
