import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Diff } from "#shared/api/code/commits.js";
import { useLoaded } from "../../../../api/use-loaded.js";
import { Card, Details } from "../../../../ui/layout/card.js";
import { CommitId } from "../../../../ui/feedback/copy-button.js";
import { Page } from "../../../../ui/layout/page.js";
import { EmptyState } from "../../../../ui/feedback/states.js";
import { DiffBrowser } from "../../parts/diffs/diff-browser.js";
import { Await } from "../../../../components/await.js";
import { commitRows } from "../../parts/workspaces/commit-card.js";
import { useWorkspaceCrumbs } from "../../parts/workspaces/crumbs.js";
import { commitQuery, diffQuery } from "../../../../api/queries/code/workspaces.js";

const route = getRouteApi("/app/agents/$agentId/workspace/commits/$sha");

export function CommitPage(): ReactElement {
  const { agentId, sha } = route.useParams();
  const { data: commit } = useLoaded(commitQuery(agentId, sha));
  const diff = useQuery(diffQuery(agentId, sha));
  const crumbs = useWorkspaceCrumbs(agentId, true);
  const [title = ""] = commit.message.trim().split("\n");
  return (
    <Page title={title} crumb={`Commit ${sha.slice(0, 12)}`} crumbs={crumbs} width="full">
      <Card>
        <Details rows={{ Commit: <CommitId sha={sha} />, ...commitRows(commit) }} />
      </Card>
      <Await query={diff} what="The diff">
        {(data) => <DiffOf diff={data} sha={sha} />}
      </Await>
    </Page>
  );
}

function DiffOf({ diff, sha }: { diff: Diff; sha: string }): ReactElement {
  if (diff.files.length === 0) {
    return (
      <EmptyState title="No files changed">
        This commit holds the same files as the one before it.
      </EmptyState>
    );
  }
  return <DiffBrowser key={sha} diff={diff} verb="changed" viewedAs={sha} />;
}
