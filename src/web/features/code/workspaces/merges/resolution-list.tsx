import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Merge } from "#shared/api/code/merges.js";
import type { RestoreSearch } from "../../../../paths/address-search.js";
import { paths } from "../../../../paths/paths.js";
import { Button } from "../../../../ui/actions/button.js";
import { CopyLine } from "../../../../ui/feedback/copy-button.js";
import { countOf } from "../../../../ui/text/number.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { Segments } from "../../../../ui/fields/radio.js";
import { ShortcutHelp, useShortcuts } from "../../../../ui/overlays/shortcuts.js";
import { diffModes, useDiffMode } from "../../parts/diffs/diff-mode.js";
import { adjacentSection, goToSection } from "../../parts/diffs/sections.js";
import { ConflictCard } from "../../parts/merges/conflict-card.js";
import { projectQuery } from "../../../../api/queries/code/projects.js";
import { QueryError } from "../../../../components/query-error.js";
import { mergeConflictsQuery } from "../../../../api/queries/code/workspaces.js";
import { sidesOf, winnerLabel } from "../../parts/merges/resolution-labels.js";

interface ResolutionListProps {
  agentId: string;
  mergeId: string;
  merge: Merge;
  projectId: string | undefined;
  /** Why the viewer may restore nothing. */
  reason: string | undefined;
}

/** The resolution of each conflict of a merge: both versions, the winner and the strategy. */
export function ResolutionList(props: ResolutionListProps): ReactElement {
  const { agentId, mergeId, merge, projectId, reason } = props;
  const [mode, setMode] = useDiffMode();
  const navigate = useNavigate();
  const conflicts = useQuery(mergeConflictsQuery(agentId, mergeId));
  const { data: project } = useQuery({
    ...projectQuery(projectId ?? ""),
    enabled: projectId !== undefined,
  });
  const ids = merge.resolutions.map((_resolution, index) => `conflict-${index}`);
  useShortcuts("Conflicts", [
    { key: "j", what: "Next conflict", run: () => goToSection(ids[adjacentSection(ids, 1) ?? -1]) },
    {
      key: "k",
      what: "Previous conflict",
      run: () => goToSection(ids[adjacentSection(ids, -1) ?? -1]),
    },
  ]);
  const sides = sidesOf(merge);
  const versions = new Map(
    conflicts.data?.conflicts.map((conflict) => [conflict.paths.join("\n"), conflict]),
  );
  const restorable = merge.resolutions.filter(({ winner }) => winner !== "merged");
  const restore = (search: RestoreSearch): void =>
    void navigate(paths.restore(agentId, mergeId, search));
  return (
    <section data-long="" aria-labelledby="decisions" className="flex flex-col gap-3">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <h2 id="decisions" className="text-base font-semibold">
          {countOf(merge.resolutions.length, "resolved conflict")}
        </h2>
        <div className="flex flex-wrap items-center gap-2">
          {restorable.length > 1 && (
            <Button size="sm" disabledReason={reason} onClick={() => restore({ but: [] })}>
              Restore several…
            </Button>
          )}
          <Segments
            legend="View of versions"
            hideLegend
            value={mode}
            onChange={setMode}
            options={diffModes}
          />
          <ShortcutHelp />
        </div>
      </div>
      {conflicts.isError && (
        <QueryError
          error={conflicts.error}
          onRetry={() => void conflicts.refetch()}
          what="The versions"
        />
      )}
      {merge.resolutions.map((resolution, index) => (
        <ConflictCard
          key={resolution.paths.join("\n")}
          id={ids[index] as string}
          paths={resolution.paths}
          kind={resolution.kind}
          outcome={resolution.winner}
          sides={{
            source: { ...sides.source, time: resolution.source_time },
            target: { ...sides.target, time: resolution.target_time },
          }}
          versions={versions.get(resolution.paths.join("\n"))}
          mode={mode}
          actions={
            resolution.winner !== "merged" && (
              <Button
                size="sm"
                disabledReason={reason}
                aria-label={`Restore the other version of ${resolution.paths.map(visible).join(", ")}`}
                onClick={() => restore({ paths: resolution.paths.slice(0, 1) })}
              >
                Restore the other version…
              </Button>
            )
          }
        >
          <p>
            <span className="text-muted">Winner: </span>
            <span className="font-medium">{winnerLabel(resolution.winner, merge)}</span>
            <span className="text-muted"> · </span>
            <PlainText value={resolution.rule} />
          </p>
          <LosingRef resolution={resolution} cloneUrl={project?.clone_url} />
        </ConflictCard>
      ))}
    </section>
  );
}

type Resolution = Merge["resolutions"][number];

/** The git ref of the losing version. */
function LosingRef({
  resolution: { loser_ref, winner },
  cloneUrl,
}: {
  resolution: Resolution;
  cloneUrl: string | undefined;
}): ReactElement | null {
  if (loser_ref === null) {
    return (
      <p className="text-[13px] text-muted">
        {winner === "merged"
          ? "Neither version was taken as it was. Both stay in git's history."
          : "The losing side had deleted the file, so it has no version to fetch."}
      </p>
    );
  }
  if (cloneUrl === undefined) return null;
  return (
    <details>
      <summary className="text-[13px] text-muted">Fetch the losing version with git</summary>
      <div className="mt-1.5">
        <CopyLine text={`git fetch ${cloneUrl} ${loser_ref}`} label="Copy fetch command" />
      </div>
    </details>
  );
}
