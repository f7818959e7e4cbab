import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Agent } from "#shared/api/work/agents.js";
import type { Preset } from "#shared/api/execution/presets.js";
import { hasServerFolder } from "#shared/code/workspace-choices.js";
import { client } from "../../../../../api/client.js";
import { api } from "../../../../../api/api-calls.js";
import { agentsKey } from "../../../../../api/queries/work/agents.js";
import { environmentQuery } from "../../../../../api/queries/execution/environments.js";
import { organizationsKey } from "../../../../../api/queries/organization/organizations.js";
import { presetsQuery, sandboxQuery } from "../../../../../api/queries/execution/runs.js";
import { useForm } from "../../../../../forms/use-form.js";
import { paths } from "../../../../../paths/paths.js";
import { Button } from "../../../../../ui/actions/button.js";
import { Alert } from "../../../../../ui/feedback/alert.js";
import { Dialog, DialogActions } from "../../../../../ui/overlays/dialog.js";
import { Checkbox, TextField } from "../../../../../ui/fields/field.js";
import { Form } from "../../../../../ui/fields/form.js";
import { Await } from "../../../../../components/await.js";
import { CommandFields } from "./command-fields.js";
import { wordsOf } from "../../../../../components/command/command-line.js";
import { EnvFields, nameErrors } from "./env-fields.js";
import type { Isolation } from "../isolation.js";
import { NetworkFields, restrictionProblem } from "./network-fields.js";
import { PresetFields } from "./preset-fields.js";
import { bodyOf, missingValues, type RunSource, type RunValues, valuesOf } from "../run-values.js";
import { RunnerLabelsField } from "./runner-labels-field.js";
import { SandboxNotice } from "../sandbox-notice.js";

interface StartRunDialogProps extends Omit<RunSource, "presets" | "projectHosts"> {
  isOpen: boolean;
  onClose: () => void;
  agent: Pick<Agent, "id" | "organization_id" | "project_id" | "workspace_type">;
  /** The command's isolation; undefined while unknown. */
  isolation: Isolation | undefined;
  /** Called instead of opening the page of the run. */
  onStarted?: () => void;
}

const places: Record<Isolation["mode"], string> = {
  bubblewrap: "It runs in the agent's workspace, in the sandbox.",
  gvisor: "It runs in the agent's workspace, in the sandbox, with a kernel of its own.",
  docker: "It runs in the agent's workspace, in a container.",
  off: "It runs in the agent's workspace, without a sandbox.",
  unavailable: "It runs in the agent's workspace.",
};

function placeOf(type: Agent["workspace_type"], isolation: Isolation | undefined): string {
  if (type === "remote") {
    return "It runs on a runner: another machine, in the sandbox of that machine.";
  }
  if (type === "kubernetes") {
    return "It runs in the Kubernetes cluster: a Job of its own, with the project's image.";
  }
  return places[isolation?.mode ?? "unavailable"];
}

/** Starts a program by a prompt, or a command; with a run, a changed repetition of it. */
export function StartRunDialog(props: StartRunDialogProps): ReactElement {
  const { isOpen, onClose, agent, isolation, run } = props;
  return (
    <Dialog
      isOpen={isOpen}
      onClose={onClose}
      title={run === null ? "Start agent" : "Edit and run"}
      description={placeOf(agent.workspace_type, isolation)}
      width="wide"
    >
      <StartRun {...props} />
    </Dialog>
  );
}

type StartRunProps = Omit<StartRunDialogProps, "isOpen">;

function StartRun(props: StartRunProps): ReactElement {
  const presets = useQuery(presetsQuery);
  const environment = useQuery(environmentQuery(props.agent.project_id));
  // Without the environment the form works, too: the server applies its limit.
  const { allowed_hosts = null } = environment.data ?? {};
  const { workspace_type: type } = props.agent;
  const isElsewhere = type !== null && (type === "docker" || !hasServerFolder(type));
  return (
    <Await
      query={environment.isPending ? { ...presets, data: undefined } : presets}
      what="The list of programs"
    >
      {(list) => (
        <StartRunForm
          {...props}
          presets={isElsewhere ? list.map(presetElsewhere) : list}
          projectHosts={allowed_hosts}
        />
      )}
    </Await>
  );
}

/** Returns a preset for a run elsewhere: the server does not know which programs and keys a runner or an image has. */
const presetElsewhere = (preset: Preset): Preset => ({
  ...preset,
  secret: null,
  available: true,
  reason: null,
  version: null,
});

function StartRunForm({
  agent,
  onClose,
  isolation,
  onStarted,
  ...source
}: StartRunProps & RunSource): ReactElement {
  const navigate = useNavigate();
  const { data: sandbox } = useQuery(sandboxQuery);
  const cluster = agent.workspace_type === "kubernetes" ? sandbox?.kubernetes : undefined;
  const canRestrict = cluster
    ? cluster.networks.includes("restricted")
    : isolation === undefined || restrictionProblem(isolation) === undefined;
  const withIsolation = { ...source, canRestrict };
  const form = useForm({
    endpoint: api.runs.create,
    saved: valuesOf(withIsolation),
    toBody: bodyOf,
    run: (body, headers) =>
      client.runs.create({ params: { agent_id: agent.id }, body }, { headers }),
    alsoShown: ["command", "timeout_seconds", "allowed_hosts", "runner_labels"],
    refresh: [agentsKey, organizationsKey],
    onDone: ({ id }) => {
      if (onStarted) onStarted();
      else void navigate({ ...paths.run(agent.id, id), ignoreBlocker: true });
    },
  });
  const { values } = form;
  return (
    <Form label="Start agent" {...form.props}>
      {isolation && <SandboxNotice isolation={isolation} />}
      <PresetFields agent={agent} form={form} source={withIsolation} />
      {values.preset === "custom" && <CommandFields form={form} />}
      {agent.workspace_type === "remote" && (
        <RunnerLabelsField orgId={agent.organization_id} form={form} />
      )}
      {cluster && cluster.reason !== null && <Alert tone="info">{cluster.reason}.</Alert>}
      {source.run !== null && source.run.env_names.length > 0 && (
        <Alert tone="info">
          Values of variables are not stored. Enter them again, or remove the variables.
        </Alert>
      )}
      <EnvFields {...form.field("env")} />
      <TextField
        label="Time limit in minutes"
        optional
        inputMode="decimal"
        {...form.field("minutes")}
        error={form.errorOf("timeout_seconds")}
        hint="Leave empty for the installation's default."
      />
      <NetworkFields
        orgId={agent.organization_id}
        form={form}
        isolation={isolation}
        networks={cluster?.networks}
        projectHosts={source.projectHosts}
      />
      <Checkbox
        label="Queue if no slot is free"
        hint="The run starts when a slot is free. Otherwise it is rejected."
        checked={values.queue}
        onChange={(queue) => form.set({ queue })}
      />
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <Button
          type="submit"
          variant="primary"
          pending={form.pending}
          disabledReason={invalidReason(values, source.run)}
        >
          Run
        </Button>
      </DialogActions>
    </Form>
  );
}

function invalidReason(values: RunValues, run: RunSource["run"]): string | undefined {
  const { preset, kind, line, env } = values;
  const parsed = wordsOf(line);
  if (preset === "custom" && kind === "command" && "error" in parsed) {
    return `The command ${parsed.error}`;
  }
  if (nameErrors(env).size > 0) return "The name of a variable is wrong";
  const [missing] = missingValues(values, run);
  return missing === undefined ? undefined : `Enter the value of ${missing} again, or remove it`;
}
