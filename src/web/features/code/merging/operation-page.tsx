import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { type ReactElement, type ReactNode, useEffect, useRef } from "react";
import type { Preview } from "#shared/api/code/previews.js";
import type { MergeStrategy } from "#shared/api/code/merges.js";
import { needsQueue, protectionOf, type ProtectedBranch } from "#shared/code/protection.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { asApiError } from "../../../api/client.js";
import { useDebounced } from "../../../hooks/use-debounced.js";
import { paths } from "../../../paths/paths.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { Button } from "../../../ui/actions/button.js";
import { Card } from "../../../ui/layout/card.js";
import { Page } from "../../../ui/layout/page.js";
import { SelectField } from "../../../ui/fields/select.js";
import { Skeleton } from "../../../ui/feedback/states.js";
import { agentQuery } from "../../../api/queries/work/agents.js";
import { countOf } from "../../../ui/text/number.js";
import { visible } from "../../../ui/text/plain-text.js";
import { DiffBrowser } from "../parts/diffs/diff-browser.js";
import { PermissionHint } from "../../../access/permission-hint.js";
import { useDenyReason } from "../../../access/permissions.js";
import { projectQuery, projectsKey } from "../../../api/queries/code/projects.js";
import { workspacesKey } from "../../../api/queries/code/workspaces.js";
import { OperationBar } from "./operation-bar.js";
import {
  isMergeRequest,
  type Operation,
  operationTexts,
  runOperation,
  operationMessage,
} from "../../../api/operations.js";
import { ConflictList } from "./decisions/conflict-list.js";
import { choicesFor, openConflicts, outdated } from "./decisions/decisions.js";
import { OutdatedDecisions } from "./decisions/outdated-decisions.js";
import { PreviewSummary } from "./preview-summary.js";
import { previewQuery } from "../../../api/queries/code/merging.js";
import { DriverFiles } from "../parts/merges/driver-files.js";
import { strategyOptionsOf } from "../parts/merges/strategies.js";
import { useDecisions } from "./decisions/use-decisions.js";

interface ActPageProps {
  agentId: string;
  operation: Operation;
  title: string;
  description: ReactNode;
  crumbs: readonly ReactNode[];
  /** Strategy from the address; undefined selects the workspace's setting. */
  strategy: MergeStrategy | undefined;
  onStrategy: (strategy: MergeStrategy) => void;
  /** Further options: the branch, the files. */
  choices?: ReactNode;
  /** Why no preview is available yet, such as no selected file. */
  waiting?: string | undefined;
}

/** Previews an operation, collects the decisions of its conflicts, and runs it. */
export function OperationPage(props: ActPageProps): ReactElement {
  const { agentId, operation, strategy, waiting } = props;
  const { verb, permission } = operationTexts[operation.act];
  const { data: agent } = useQuery(agentQuery(agentId));
  const reason = useDenyReason(agent?.organization_id)(permission);
  const preview = useQuery({
    ...previewQuery(agentId, operation, strategy),
    enabled: waiting === undefined,
  });
  const [decisions, decide, prune, forget] = useDecisions(agentId, operation);
  const conflicts = preview.data?.conflicts ?? [];
  const isManual = preview.data?.strategy === "manual" && conflicts.length > 0;
  const choices = isManual ? choicesFor(conflicts, decisions) : [];
  const open = isManual ? openConflicts(conflicts, decisions).length : 0;
  const isDecided = open === 0;
  // Once all conflicts are resolved, the result can be previewed; debounced, not on every keystroke.
  const debounced = useDebounced(JSON.stringify(choices), 600);
  const result = useQuery({
    ...previewQuery(agentId, operation, strategy, JSON.parse(debounced)),
    enabled:
      isManual && isDecided && waiting === undefined && debounced === JSON.stringify(choices),
  });
  const { data: project } = useQuery({
    ...projectQuery(agent?.project_id ?? ""),
    enabled: agent !== undefined,
  });
  const target = preview.data?.target_branch;
  const protection =
    project && target !== undefined && operation.act !== "sync"
      ? protectionOf(project.protected_branches, target)
      : undefined;
  const isQueued = needsQueue(protection);
  const run = useRunOperation(agentId, operation, forget, () => void preview.refetch());
  const error = preview.isError ? asApiError(preview.error) : null;
  const isFresh = !preview.isPlaceholderData && !preview.isFetching;
  const old = preview.data && isManual ? outdated(conflicts, decisions) : [];
  return (
    <Page title={props.title} description={props.description} crumbs={props.crumbs} width="full">
      <PermissionHint reason={reason} />
      <Card>
        <div className="grid items-start gap-4 md:grid-cols-2">
          {props.choices}
          <SelectField
            label="Strategy"
            value={strategy ?? preview.data?.strategy ?? ""}
            options={
              strategy === undefined && preview.data === undefined
                ? [
                    { value: "", label: "Strategy of the workspace" },
                    ...strategyOptionsOf[operation.act],
                  ]
                : strategyOptionsOf[operation.act]
            }
            onChange={(value) => props.onStrategy(value as MergeStrategy)}
            hint="Resolves the conflicts that git cannot merge."
          />
        </div>
      </Card>
      <OutdatedDecisions
        decisions={old}
        onDiscard={() => preview.data && prune(preview.data.conflicts)}
      />
      {waiting !== undefined ? (
        <Alert tone="info">{waiting}</Alert>
      ) : preview.isPending ? (
        <Skeleton />
      ) : error !== null ? (
        <div className="flex flex-col items-start gap-3">
          <Alert>{error.message}</Alert>
          <Button icon="retry" onClick={() => void preview.refetch()}>
            Refresh
          </Button>
        </div>
      ) : preview.data ? (
        <div aria-busy={!isFresh} className="flex flex-col gap-5">
          <PreviewSummary preview={preview.data} />
          {isQueued && <QueueNotice branch={preview.data.target_branch} protection={protection} />}
          {conflicts.length > 0 && (
            <ConflictList
              preview={preview.data}
              decisions={decisions}
              onDecide={decide}
              reason={reason}
            />
          )}
          <DriverFiles agentId={agentId} files={preview.data.driver_files} />
          <ResultDiff
            preview={preview.data}
            result={isManual && isDecided ? result.data : undefined}
          />
          <OperationBar
            verb={isQueued ? `Queue ${verb.toLowerCase()}` : verb}
            preview={preview.data}
            open={isManual ? open : null}
            decisions={decisions}
            pending={run.pending}
            error={run.error ?? (isManual && isDecided ? result.error : null)}
            // While a preview is refetched, the operation is sent with the commits that were shown: if one of
            // them has moved, it is refused as stale.
            reason={reason ?? (preview.isPlaceholderData ? "Loading preview…" : undefined)}
            onRun={() =>
              run.submit({
                deciding: {
                  strategy: preview.data.strategy,
                  ...(isManual ? { resolutions: choices } : {}),
                },
                seen: preview.data,
                queue: isQueued,
              })
            }
          />
        </div>
      ) : null}
    </Page>
  );
}

/** Why the operation does not land at once. */
function QueueNotice({
  branch,
  protection: { checks, approvals },
}: {
  branch: string;
  protection: ProtectedBranch;
}): ReactElement {
  const needs = [
    ...(checks.length === 0
      ? []
      : [`${checks.length === 1 ? "the check" : "the checks"} ${listOf(checks)}`]),
    ...(approvals === 0 ? [] : [countOf(approvals, "approval")]),
  ];
  return (
    <Alert tone="info">
      {visible(branch)} is protected: it changes only through the merge queue, after {listOf(needs)}
      . Exactly the commit that was checked lands.
    </Alert>
  );
}

const listOf = (items: readonly string[]): string =>
  new Intl.ListFormat("en").format(items.map(visible));

/** Changes to the target; with decisions, the result includes them. */
function ResultDiff({
  preview,
  result,
}: {
  preview: Preview;
  result: Preview | undefined;
}): ReactElement | null {
  const { diff } = result ?? preview;
  if (preview.up_to_date || diff.stats.files_changed === 0) return null;
  return <DiffBrowser diff={diff} verb={`would change on ${preview.target_branch}`} />;
}

/** Runs the operation. It continues if the viewer leaves the page; its outcome is a toast. */
function useRunOperation(
  agentId: string,
  operation: Operation,
  onDone: () => void,
  onStale: () => void,
) {
  const router = useRouter();
  const queries = useQueryClient();
  const startedOn = useRef<string | null>(null);
  const run = useApiMutation({
    run: (input: Parameters<typeof runOperation>[2], headers) => {
      startedOn.current = router.latestLocation.pathname;
      return runOperation(agentId, operation, input, headers);
    },
    successMessage: operationMessage,
    onDone: (merge) => {
      onDone();
      const leave =
        router.latestLocation.pathname === startedOn.current && merge.id !== null
          ? router.navigate(
              isMergeRequest(merge)
                ? paths.mergeRequest(merge.project_id, merge.id)
                : paths.merge(agentId, merge.id),
            )
          : undefined;
      // Only after leaving: this page's resources may no longer exist.
      void Promise.resolve(leave).then(() =>
        Promise.all(
          [workspacesKey, projectsKey].map((queryKey) => queries.invalidateQueries({ queryKey })),
        ),
      );
    },
  });
  useEffect(() => {
    if (run.error?.code === "stale") onStale();
    // oxlint-disable-next-line react/exhaustive-deps -- once per error
  }, [run.error]);
  return run;
}
