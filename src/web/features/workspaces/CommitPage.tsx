import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { Diff } from "#shared/api/workspaces.js";
import { Card, Details } from "../../ui/card.js";
import { CommitId } from "../../ui/copy-button.js";
import { countOf } from "../../ui/number.js";
import { Page } from "../../ui/page.js";
import { Segments } from "../../ui/radio.js";
import { EmptyState, Skeleton } from "../../ui/states.js";
import { QueryError } from "../shell/query-state.js";
import { commitRows } from "./commit-card.js";
import { useWorkspaceCrumbs } from "./crumbs.js";
import { DiffFileList } from "./diff-file-list.js";
import { DiffFileSection } from "./diff-file-section.js";
import type { DiffMode } from "./diff-viewer.js";
import { LineCounts } from "./file-status.js";
import { commitQuery, diffQuery } from "./queries.js";

const route = getRouteApi("/app/agents/$agentId/workspace/commits/$sha");

export function CommitPage(): ReactElement {
  const { agentId, sha } = route.useParams();
  const commit = useQuery(commitQuery(agentId, sha));
  const diff = useQuery(diffQuery(agentId, sha));
  const crumbs = useWorkspaceCrumbs(agentId, true);
  const title = `Commit ${sha.slice(0, 12)}`;

  if (commit.isPending || commit.isError) {
    return (
      <Page title={title} crumbs={crumbs} width="full">
        {commit.isPending ? (
          <Skeleton />
        ) : (
          <QueryError
            error={commit.error}
            onRetry={() => void commit.refetch()}
            what="The commit"
          />
        )}
      </Page>
    );
  }
  return (
    <Page title={title} crumbs={crumbs} width="full">
      <Card>
        <Details rows={{ Commit: <CommitId sha={sha} />, ...commitRows(commit.data) }} />
      </Card>
      {diff.isPending ? (
        <Skeleton />
      ) : diff.isError ? (
        <QueryError error={diff.error} onRetry={() => void diff.refetch()} what="The diff" />
      ) : (
        <DiffOf diff={diff.data} />
      )}
    </Page>
  );
}

/** Two columns of code need room; a phone has it for one. */
function initialMode(): DiffMode {
  return matchMedia("(min-width: 1280px)").matches ? "split" : "unified";
}

function DiffOf({ diff }: { diff: Diff }): ReactElement {
  const [mode, setMode] = useState(initialMode);
  if (diff.files.length === 0) {
    return (
      <EmptyState title="No files changed">
        This commit holds the same files as the one before it.
      </EmptyState>
    );
  }
  return (
    <>
      <div className="flex flex-wrap items-center justify-between gap-3">
        <h2 className="flex flex-wrap items-baseline gap-x-3 text-base font-semibold">
          {countOf(diff.stats.files_changed, "file")} changed
          <LineCounts additions={diff.stats.additions} deletions={diff.stats.deletions} />
        </h2>
        <Segments
          legend="Diff view"
          hideLegend
          value={mode}
          onChange={setMode}
          options={[
            { value: "unified", label: "Unified" },
            { value: "split", label: "Split" },
          ]}
        />
      </div>
      <div className="grid items-start gap-4 xl:grid-cols-[17rem_minmax(0,1fr)]">
        <DiffFileList files={diff.files} />
        <div className="flex min-w-0 flex-col gap-4">
          {diff.files.map((file, index) => (
            <DiffFileSection key={file.path} id={`file-${index}`} file={file} mode={mode} />
          ))}
        </div>
      </div>
    </>
  );
}
