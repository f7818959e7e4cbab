import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { Project } from "#shared/api/code/projects.js";
import type { Forge } from "#shared/api/work/forges.js";
import { asApiError, client } from "../../../../api/client.js";
import { projectsKey, projectsQuery } from "../../../../api/queries/code/projects.js";
import { organizationsKey } from "../../../../api/queries/organization/organizations.js";
import { repositoriesQuery } from "../../../../api/queries/work/forges.js";
import { useDebounced } from "../../../../hooks/use-debounced.js";
import { Button } from "../../../../ui/actions/button.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { StatusDot } from "../../../../ui/feedback/badge.js";
import { Checkbox } from "../../../../ui/fields/field.js";
import { SearchField } from "../../../../ui/fields/search-field.js";
import { SelectField } from "../../../../ui/fields/select.js";
import { DialogActions } from "../../../../ui/overlays/dialog.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { ProjectStatus } from "./project-status.js";

/** Requests for new projects at the same time; the server imports a few at once as well. */
const AT_ONCE = 3;
const MAX_CHOSEN = 30;

/** The outcome of a chosen repository. */
type Outcome = { project: Project } | { error: string } | "waiting";

interface ImportRepositoriesProps {
  orgId: string;
  forges: readonly Forge[];
  onBack: () => void;
  onClose: () => void;
}

/** Imports several repositories of a forge, each as a project with its name. */
export function ImportRepositories(props: ImportRepositoriesProps): ReactElement {
  const { orgId, forges } = props;
  const [forgeId, setForgeId] = useState(forges[0]?.id ?? "");
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [outcomes, setOutcomes] = useState<ReadonlyMap<string, Outcome> | null>(null);
  const queries = useQueryClient();
  const create = async (names: readonly string[]): Promise<void> => {
    const set = (name: string, outcome: Outcome): void =>
      setOutcomes((known) => new Map(known).set(name, outcome));
    for (const name of names) set(name, "waiting");
    const waiting = [...names];
    const worker = async (): Promise<void> => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
        set(name, await importOne(orgId, forgeId, name));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    for (const queryKey of [projectsKey, organizationsKey]) {
      void queries.invalidateQueries({ queryKey });
    }
  };
  if (outcomes !== null) {
    return <Progress {...props} outcomes={outcomes} onRetry={(names) => void create(names)} />;
  }
  return (
    <div className="flex flex-col gap-4">
      {forges.length > 1 && (
        <SelectField
          label="Forge"
          name="forge"
          value={forgeId}
          onChange={(next) => {
            setForgeId(next);
            setChosen(new Set());
          }}
          options={forges.map(({ id, name }) => ({ value: id, label: visible(name) }))}
        />
      )}
      <Choices orgId={orgId} forgeId={forgeId} chosen={chosen} onChange={setChosen} />
      <DialogActions>
        <Button onClick={props.onBack}>Back</Button>
        <Button
          variant="primary"
          disabledReason={chosen.size === 0 ? "Choose a repository." : undefined}
          onClick={() => void create([...chosen])}
        >
          {chosen.size === 0
            ? "Import"
            : `Import ${chosen.size} ${chosen.size === 1 ? "repository" : "repositories"}`}
        </Button>
      </DialogActions>
    </div>
  );
}

async function importOne(orgId: string, forgeId: string, repository: string): Promise<Outcome> {
  const name = repository.split("/").at(-1) ?? repository;
  const body = { organization_id: orgId, name, forge_id: forgeId, repository };
  try {
    return { project: (await client.projects.create({ body })).data };
  } catch (error) {
    return { error: asApiError(error).message };
  }
}

function Choices({
  orgId,
  forgeId,
  chosen,
  onChange,
}: {
  orgId: string;
  forgeId: string;
  chosen: ReadonlySet<string>;
  onChange: (chosen: ReadonlySet<string>) => void;
}): ReactElement {
  const [text, setText] = useState("");
  const found = useQuery(repositoriesQuery(orgId, forgeId, useDebounced(text.trim(), 300)));
  const { data: projects = [] } = useQuery(projectsQuery(orgId));
  const linked = new Set(
    projects.flatMap(({ upstream }) =>
      upstream?.repository?.forge_id === forgeId ? [upstream.repository.name] : [],
    ),
  );
  const shown = (found.data ?? []).map(({ name }) => name);
  // What was chosen stays visible beside another search.
  const names = [...[...chosen].filter((name) => !shown.includes(name)), ...shown];
  const toggle = (name: string, isChosen: boolean): void => {
    const next = new Set(chosen);
    if (isChosen) next.add(name);
    else next.delete(name);
    onChange(next);
  };
  const reasonOf = (name: string): string | undefined =>
    linked.has(name)
      ? "It is a project already."
      : chosen.size >= MAX_CHOSEN && !chosen.has(name)
        ? `At most ${MAX_CHOSEN} at once.`
        : undefined;
  return (
    <div className="flex flex-col gap-3">
      <SearchField label="Search repositories" value={text} onChange={setText} />
      {found.error && <Alert>{found.error.message}</Alert>}
      {found.isPending && !found.error && <p className="text-muted">Loading…</p>}
      {found.data?.length === 0 && <p className="text-muted">No repository with this name.</p>}
      <ul aria-label="Repositories" className="flex max-h-80 flex-col gap-1 overflow-y-auto">
        {names.map((name) => (
          <li key={name}>
            <Checkbox
              label={visible(name)}
              checked={chosen.has(name)}
              onChange={(isChosen) => toggle(name, isChosen)}
              disabledReason={reasonOf(name)}
            />
          </li>
        ))}
      </ul>
      <p className="text-[13px] text-muted">The first 20 are listed; search for others.</p>
    </div>
  );
}

function Progress({
  orgId,
  outcomes,
  onRetry,
  onClose,
}: Pick<ImportRepositoriesProps, "orgId" | "onClose"> & {
  outcomes: ReadonlyMap<string, Outcome>;
  onRetry: (names: readonly string[]) => void;
}): ReactElement {
  const { data: projects = [] } = useQuery(projectsQuery(orgId));
  const failed = [...outcomes].flatMap(([name, outcome]) =>
    typeof outcome === "object" && "error" in outcome ? [name] : [],
  );
  const isWaiting = [...outcomes.values()].includes("waiting");
  return (
    <div className="flex flex-col gap-4">
      <ul aria-label="Imports" className="divide-y divide-line">
        {[...outcomes].map(([name, outcome]) => (
          <li
            key={name}
            className="flex flex-wrap items-start justify-between gap-x-4 gap-y-1 py-2"
          >
            <span className="min-w-0 [overflow-wrap:anywhere]">
              <PlainText value={name} />
            </span>
            <State outcome={outcome} projects={projects} />
          </li>
        ))}
      </ul>
      <DialogActions>
        {failed.length > 0 && !isWaiting && (
          <Button onClick={() => onRetry(failed)}>Try {failed.length} again</Button>
        )}
        <Button variant="primary" onClick={onClose}>
          Close
        </Button>
      </DialogActions>
    </div>
  );
}

function State({
  outcome,
  projects,
}: {
  outcome: Outcome;
  projects: readonly Project[];
}): ReactElement {
  if (outcome === "waiting") return <StatusDot tone="neutral">Waiting</StatusDot>;
  if ("error" in outcome) {
    return (
      <span className="min-w-0 text-[13px] text-bad [overflow-wrap:anywhere]">
        <PlainText value={outcome.error} />
      </span>
    );
  }
  const project = projects.find(({ id }) => id === outcome.project.id) ?? outcome.project;
  return (
    <span className="flex min-w-0 flex-col gap-1">
      <ProjectStatus project={project} />
      {project.error !== null && (
        <span className="text-[13px] text-bad [overflow-wrap:anywhere]">
          <PlainText value={project.error} />
        </span>
      )}
    </span>
  );
}
