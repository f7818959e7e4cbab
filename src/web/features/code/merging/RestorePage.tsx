import { getRouteApi, useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Merge } from "#shared/api/code/merges.js";
import { useLoaded } from "../../../api/use-loaded.js";
import type { RestoreSearch } from "../../../paths/address-search.js";
import { paths } from "../../../paths/paths.js";
import { Button } from "../../../ui/actions/button.js";
import { Checkbox } from "../../../ui/fields/field.js";
import { countOf, formatNumber } from "../../../ui/text/number.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { mergeQuery } from "../../../api/queries/code/workspaces.js";
import { winnerLabel } from "../parts/merges/resolution-labels.js";
import { OperationPage } from "./operation-page.js";
import { useMergeCrumbs } from "./merge-crumbs.js";

const route = getRouteApi("/app/agents/$agentId/workspace/merges/$mergeId/restore");

/** Restores the losing versions of a merge's conflicts, by file. */
export function RestorePage(): ReactElement {
  const { agentId, mergeId } = route.useParams();
  const search = route.useSearch();
  const navigate = useNavigate();
  const crumbs = useMergeCrumbs(agentId, mergeId);
  const { data: merge } = useLoaded(mergeQuery(agentId, mergeId));
  const all = merge.resolutions.flatMap(restorableAs);
  const { but } = search;
  const chosen = but ? all.filter((path) => !but.includes(path)) : (search.paths ?? []);
  const go = (next: RestoreSearch): void =>
    void navigate({ ...paths.restore(agentId, mergeId, next), replace: true, resetScroll: false });
  const choose = (next: readonly string[]): void => {
    const rest = all.filter((path) => !next.includes(path));
    const { strategy } = search;
    const files = next.length > rest.length ? { but: rest } : { paths: [...next] };
    go({ ...files, ...(strategy === undefined ? {} : { strategy }) });
  };
  return (
    <OperationPage
      agentId={agentId}
      operation={{ act: "restore", merge_id: mergeId, paths: chosen }}
      title="Restore the other version"
      description={
        merge && (
          <>
            A new commit on <PlainText value={merge.target_branch} /> restores the versions that
            lost. Later changes are kept.
          </>
        )
      }
      crumbs={crumbs}
      strategy={search.strategy}
      onStrategy={(strategy) => go({ ...search, strategy })}
      waiting={
        all.length === 0
          ? "No file of this merge has a version that lost."
          : chosen.length === 0
            ? "Choose the files to restore."
            : undefined
      }
      choices={<RestorableFiles merge={merge} chosen={chosen} onChange={choose} />}
    />
  );
}

/** Returns the first path of a conflict that one side won; `[]` if the versions were merged. */
function restorableAs({ winner, paths: [path] }: Merge["resolutions"][number]): string | [] {
  return winner === "merged" || path === undefined ? [] : path;
}

/** The files that can be restored. */
function RestorableFiles({
  merge,
  chosen,
  onChange,
}: {
  merge: Merge;
  chosen: readonly string[];
  onChange: (paths: readonly string[]) => void;
}): ReactElement {
  const restorable = merge.resolutions.filter(({ winner }) => winner !== "merged");
  return (
    <fieldset className="flex min-w-0 flex-col gap-2">
      <legend className="mb-1.5 text-[13px] font-medium">Files</legend>
      {restorable.length > 1 && (
        <div className="flex flex-wrap items-center gap-2">
          <Button size="sm" onClick={() => onChange(restorable.flatMap(restorableAs))}>
            Choose all
          </Button>
          <Button size="sm" onClick={() => onChange([])}>
            Choose none
          </Button>
          <output className="text-[13px] text-muted">
            {formatNumber(chosen.length)} of {countOf(restorable.length, "file")}
          </output>
        </div>
      )}
      {restorable.length === 0 && <p className="text-muted">None</p>}
      <div className="flex max-h-72 flex-col gap-2 overflow-y-auto p-0.5">
        {restorable.map(({ paths: files, winner }) => {
          const isChosen = files.some((path) => chosen.includes(path));
          return (
            <Checkbox
              key={files.join("\n")}
              label={<PlainText value={files.join(", ")} className="font-mono text-[13px]" />}
              hint={`Winner: ${winnerLabel(winner, merge)}. The other side is restored.`}
              checked={isChosen}
              onChange={(isWanted) => {
                const others = chosen.filter((path) => !files.includes(path));
                onChange(isWanted ? [...others, files[0] as string] : others);
              }}
            />
          );
        })}
      </div>
    </fieldset>
  );
}
