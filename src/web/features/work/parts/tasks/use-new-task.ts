import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { Project } from "#shared/api/code/projects.js";
import type { Preset } from "#shared/api/execution/presets.js";
import type { OrganizationItem } from "#shared/api/organization/organizations.js";
import type { NewTask } from "#shared/api/work/tasks.js";
import type { PresetName } from "#shared/execution/run-choices.js";
import type { priorityNames } from "#shared/work/task-words.js";
import { useDenyReason } from "../../../../access/permissions.js";
import { api } from "../../../../api/api-calls.js";
import { client } from "../../../../api/client.js";
import { projectsQuery } from "../../../../api/queries/code/projects.js";
import { environmentQuery } from "../../../../api/queries/execution/environments.js";
import { presetsQuery, sandboxQuery } from "../../../../api/queries/execution/runs.js";
import { meQuery } from "../../../../api/queries/identity/auth.js";
import { agentsKey } from "../../../../api/queries/work/agents.js";
import { taskListsKey, taskQuery } from "../../../../api/queries/work/tasks.js";
import { wordsOf } from "../../../../components/command/command-line.js";
import { type FormState, useForm } from "../../../../forms/use-form.js";
import { usePersistedState } from "../../../../hooks/use-persisted-state.js";
import { paths } from "../../../../paths/paths.js";
import { type Isolation, isolationOf } from "../../../execution/parts/runs/isolation.js";
import { hostsOf, networkOf, type RunValues } from "../../../execution/parts/runs/run-values.js";
import { restrictionProblem } from "../../../execution/parts/runs/start/network-fields.js";

/** What a person chose for their last task. */
interface Choices {
  project: string;
  preset: PresetName | "";
  line: string;
  model: string;
  attempts: string;
}

const noChoices: Choices = { project: "", preset: "", line: "", model: "", attempts: "1" };

const areChoices = (stored: unknown): boolean =>
  typeof stored === "object" &&
  stored !== null &&
  Object.keys(noChoices).every(
    (name) => typeof (stored as Record<string, unknown>)[name] === "string",
  );

export interface NewTaskValues
  extends Pick<Choices, "line" | "model" | "attempts">, Pick<RunValues, "network" | "hosts"> {
  body: string;
  preset: PresetName;
  title: string;
  /** Separated by commas. */
  labels: string;
  priority: keyof typeof priorityNames;
  /** Empty for the viewer. */
  owner: string;
  /** Id of a task that must be done before; empty for none. */
  dependsOn: string;
  isLater: boolean;
}

interface NewTaskState {
  form: FormState<NewTaskValues>;
  /** The chosen project; undefined while none is. */
  project: Project | undefined;
  /** The projects to choose from; undefined while they are loading. */
  projects: readonly Project[] | undefined;
  chooseProject: (id: string) => void;
  presets: readonly Preset[];
  choosePreset: (name: string) => void;
  preset: Preset | undefined;
  isolation: Isolation | undefined;
  projectHosts: readonly string[] | null;
  /** Why the program cannot start here. */
  missing: string | undefined;
  /** Why no task can be created now. */
  disabledReason: string | undefined;
  /** The name of the model key that the last attempt to start lacked. */
  lackingSecret: string | undefined;
  /** The command that installs the program that the last attempt to start lacked. */
  install: string | undefined;
  submit: () => void;
}

interface NewTaskOptions {
  organization: OrganizationItem;
  /** The project of the open page. */
  projectId: string | undefined;
  /** What is already written. */
  draft: string;
  onClose: () => void;
}

/** The form of a new task. Choices are remembered for each person. */
export function useNewTask({
  organization,
  projectId,
  draft,
  onClose,
}: NewTaskOptions): NewTaskState {
  const orgId = organization.id;
  const navigate = useNavigate();
  const queries = useQueryClient();
  const { data: me } = useQuery(meQuery);
  const [choices, remember] = usePersistedState<Choices>(
    "forever",
    `new-task ${me?.id ?? ""}`,
    noChoices,
    areChoices,
  );
  const projects = useQuery(projectsQuery(orgId));
  const presets = useQuery(presetsQuery);
  const sandbox = useQuery(sandboxQuery);
  const [chosen, choose] = useState<string>();
  const known = projects.data ?? [];
  const [only] = known.length === 1 ? known : [];
  const project =
    known.find(({ id }) => id === (chosen ?? projectId)) ??
    known.find(({ id }) => id === choices.project) ??
    only;
  const environment = useQuery({
    ...environmentQuery(project?.id ?? ""),
    enabled: project !== undefined,
  });
  const isolation = sandbox.data && isolationOf(sandbox.data, null);
  const source = {
    projectHosts: environment.data?.allowed_hosts ?? null,
    canRestrict: isolation === undefined || restrictionProblem(isolation) === undefined,
  };
  const presetOf = (name: string) => presets.data?.find((preset) => preset.name === name);
  const first =
    presetOf(choices.preset) ??
    presetOf(project?.default_preset ?? "") ??
    presets.data?.find(({ session }) => session?.available === true);
  const saved: NewTaskValues = {
    body: draft,
    preset: first?.name ?? "claude-code",
    line: choices.line,
    model: choices.preset === "" ? (project?.default_model ?? "") : choices.model,
    attempts: choices.attempts,
    title: "",
    labels: "",
    priority: "normal",
    owner: "",
    dependsOn: "",
    isLater: false,
    ...networkOf(first, source),
  };
  const form = useForm({
    endpoint: api.tasks.create,
    saved,
    toBody: bodyOf,
    run: (body, headers) =>
      client.tasks.create({ params: { project_id: project?.id ?? "" }, body }, { headers }),
    alsoShown: ["command", "allowed_hosts"],
    onDone: (task) => {
      // Not awaited: the page of the task comes first.
      for (const queryKey of [taskListsKey, agentsKey])
        void queries.invalidateQueries({ queryKey });
      const { preset, line, model, attempts } = form.values;
      remember({ project: task.project_id, preset, line, model, attempts });
      queries.setQueryData(taskQuery(task.id).queryKey, task);
      onClose();
      void navigate({ ...paths.task(task.id), ignoreBlocker: true });
    },
  });
  const { values, error } = form;
  const preset = presetOf(values.preset);
  const isCustom = values.preset === "custom";
  const parsed = wordsOf(values.line);
  const wrong = isCustom && "error" in parsed ? `The command ${parsed.error}` : undefined;
  const missing = isCustom ? undefined : (preset?.session?.reason ?? undefined);
  /** A member of the error's problem that is a text. */
  const memberOf = (code: string, name: string): string | undefined => {
    const value = error?.code === code ? error.problem[name] : undefined;
    return typeof value === "string" ? value : undefined;
  };
  const forbidden = useDenyReason(orgId)("project:task:write");
  const disabledReason =
    forbidden ??
    (project === undefined && projects.data !== undefined
      ? known.length === 0
        ? "Create a project first: tasks belong to one."
        : "Choose a project."
      : undefined) ??
    (missing === undefined
      ? undefined
      : `Install ${preset?.title ?? "the program"} first, or choose another program.`) ??
    wrong;
  return {
    form,
    project,
    projects: projects.data,
    chooseProject: (id) => {
      choose(id);
      form.set({ dependsOn: "" });
    },
    presets: presets.data ?? [],
    choosePreset: (name) => {
      const next = presetOf(name);
      // A model belongs to its program.
      if (next) form.set({ preset: next.name, model: "", ...networkOf(next, source) });
    },
    preset,
    isolation,
    projectHosts: source.projectHosts,
    missing,
    disabledReason,
    lackingSecret: memberOf("missing_model_key", "secret"),
    install: memberOf("program_missing", "install"),
    submit: () => {
      if (disabledReason === undefined && project !== undefined) form.submit();
    },
  };
}

function bodyOf(values: NewTaskValues): NewTask {
  const { body, preset, line, model, attempts, title, priority, owner, network, hosts } = values;
  const words = wordsOf(line);
  const labels = values.labels
    .split(",")
    .map((label) => label.trim())
    .filter(Boolean);
  return {
    body,
    preset,
    ...(preset === "custom"
      ? { command: "words" in words ? words.words : [] }
      : model.trim() !== "" && { model: model.trim() }),
    network,
    ...(network === "restricted" && { allowed_hosts: hostsOf(hosts) }),
    ...(attempts !== "1" && { attempts: Number(attempts) }),
    ...(title.trim() !== "" && { title: title.trim() }),
    ...(labels.length > 0 && { labels }),
    ...(priority !== "normal" && { priority }),
    ...(owner !== "" && { owner }),
    ...(values.dependsOn !== "" && { depends_on: [values.dependsOn] }),
    ...(values.isLater && { start: false }),
  };
}
