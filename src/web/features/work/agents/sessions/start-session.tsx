import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Agent } from "#shared/api/work/agents.js";
import type { NewSession } from "#shared/api/work/sessions.js";
import type { PresetName } from "#shared/execution/run-choices.js";
import { api } from "../../../../api/api-calls.js";
import { client } from "../../../../api/client.js";
import { agentsKey } from "../../../../api/queries/work/agents.js";
import { organizationsKey } from "../../../../api/queries/organization/organizations.js";
import { environmentQuery } from "../../../../api/queries/execution/environments.js";
import { presetsQuery, sandboxQuery } from "../../../../api/queries/execution/runs.js";
import { ResourceCard } from "../../../../components/resource-card.js";
import { wordsOf } from "../../../../components/command/command-line.js";
import { type Isolation, isolationOf } from "../../../execution/parts/runs/isolation.js";
import {
  hostsOf,
  networkOf,
  type RunSource,
  type RunValues,
} from "../../../execution/parts/runs/run-values.js";
import { KeyNotice, useModelKeys } from "../../../execution/parts/runs/start/key-notice.js";
import {
  NetworkFields,
  restrictionProblem,
} from "../../../execution/parts/runs/start/network-fields.js";
import { useForm } from "../../../../forms/use-form.js";
import { paths } from "../../../../paths/paths.js";
import { CopyLine } from "../../../../ui/feedback/copy-button.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { TextArea, TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { SelectField } from "../../../../ui/fields/select.js";
import { PlainText } from "../../../../ui/text/plain-text.js";

interface StartSessionProps {
  agent: Agent;
  /** Why no session can start. */
  disabledReason: string | undefined;
}

/** The form that starts a session with an agent. */
export function StartSession({ agent, disabledReason }: StartSessionProps): ReactElement {
  const presets = useQuery(presetsQuery);
  const sandbox = useQuery(sandboxQuery);
  const environment = useQuery(environmentQuery(agent.project_id));
  // The form appears whole: a part that came later would move its button.
  const { isPending } = useModelKeys(agent);
  const isWhole = !isPending && !sandbox.isPending && !environment.isPending;
  const isolation = sandbox.data && isolationOf(sandbox.data, agent.workspace_type);
  return (
    <ResourceCard
      title="New session"
      query={isWhole ? presets : { ...presets, data: undefined }}
      what="The list of programs"
    >
      {(list) => (
        <StartForm
          agent={agent}
          disabledReason={disabledReason}
          presets={list}
          isolation={isolation}
          // Without the environment the form works, too: the server applies its limit.
          projectHosts={environment.data?.allowed_hosts ?? null}
        />
      )}
    </ResourceCard>
  );
}

interface Values extends Pick<RunValues, "network" | "hosts"> {
  preset: PresetName;
  prompt: string;
  model: string;
  line: string;
}

interface StartFormProps extends StartSessionProps, Pick<RunSource, "presets" | "projectHosts"> {
  /** Undefined if unknown. */
  isolation: Isolation | undefined;
}

function StartForm({
  agent,
  disabledReason,
  presets,
  isolation,
  projectHosts,
}: StartFormProps): ReactElement {
  const navigate = useNavigate();
  const canRestrict = isolation === undefined || restrictionProblem(isolation) === undefined;
  const first = presets.find(({ session }) => session?.available === true);
  const saved: Values = {
    preset: first?.name ?? "claude-code",
    prompt: agent.task?.text ?? "",
    model: "",
    line: "",
    ...networkOf(first, { projectHosts, canRestrict }),
  };
  const form = useForm({
    endpoint: api.agentSessions.create,
    saved,
    toBody: bodyOf,
    run: (body, headers) =>
      client.agentSessions.create({ params: { agent_id: agent.id }, body }, { headers }),
    alsoShown: ["command", "allowed_hosts"],
    fieldOf: { run_in_progress: "preset" },
    refresh: [agentsKey, organizationsKey],
    onDone: ({ id }) => void navigate({ ...paths.session(agent.id, id), ignoreBlocker: true }),
  });
  const { values } = form;
  const preset = presets.find(({ name }) => name === values.preset);
  const isCustom = values.preset === "custom";
  // The server does not know the programs and keys of an image.
  const isInImage = agent.workspace_type === "docker";
  const missing = isCustom || isInImage ? undefined : (preset?.session?.reason ?? undefined);
  const parsed = wordsOf(values.line);
  const wrong = isCustom && "error" in parsed ? `The command ${parsed.error}` : undefined;
  return (
    <Form label="New session" {...form.props}>
      <TextArea
        label="Prompt"
        rows={5}
        optional
        {...form.field("prompt")}
        disabledReason={disabledReason}
        hint="What should the agent do? You see what it does, answer its questions, and can write more."
      />
      <div className="grid gap-4 sm:grid-cols-2">
        <SelectField
          label="Program"
          value={values.preset}
          onChange={(name) =>
            form.set({
              preset: name as PresetName,
              model: "",
              ...networkOf(
                presets.find((candidate) => candidate.name === name),
                { projectHosts, canRestrict },
              ),
            })
          }
          disabledReason={disabledReason}
          error={form.errorOf("preset")}
          options={presets.map(({ name, title, session }) => ({
            value: name,
            label: session?.available === false ? `${title} – not available` : title,
          }))}
        />
        {isCustom ? (
          <TextField
            label="Command"
            spellCheck={false}
            autoComplete="off"
            className="font-mono text-[13px]"
            {...form.field("line")}
            error={wrong ?? form.errorOf("command")}
            disabledReason={disabledReason}
            hint="A program that speaks the Agent Client Protocol on its standard streams."
          />
        ) : (
          <TextField
            label="Model"
            optional
            spellCheck={false}
            autoComplete="off"
            {...form.field("model")}
            disabledReason={disabledReason}
            hint={
              preset && preset.models.length > 0
                ? `For example ${preset.models.join(", ")}.`
                : "Leave empty for the program's default."
            }
          />
        )}
      </div>
      {/* Open where an error is in it. */}
      <details open={form.errorOf("allowed_hosts") !== undefined || undefined}>
        <summary className="w-fit cursor-pointer text-[13px] font-medium">
          Network: {networkNames[values.network]}
        </summary>
        <div className="mt-3 flex flex-col gap-4">
          <NetworkFields
            orgId={agent.organization_id}
            form={form}
            isolation={isolation}
            networks={undefined}
            projectHosts={projectHosts}
          />
        </div>
      </details>
      {preset && !isCustom && !isInImage && <KeyNotice agent={agent} preset={preset} />}
      {missing !== undefined && (
        <Alert tone="warn">
          <div className="flex flex-col gap-2">
            <PlainText value={missing} />
            {preset?.session && (
              <>
                <span>Install it on the machine that Omoi runs on:</span>
                <CopyLine text={preset.session.install} label="Copy the command" />
              </>
            )}
          </div>
        </Alert>
      )}
      <SubmitButton disabledReason={disabledReason ?? missing ?? wrong} className="self-start">
        Start session
      </SubmitButton>
    </Form>
  );
}

const networkNames = {
  none: "none",
  restricted: "only the allowed hosts",
  full: "full",
} as const;

function bodyOf({ preset, prompt, model, line, network, hosts }: Values): NewSession {
  const words = wordsOf(line);
  return {
    preset,
    ...(prompt.trim() !== "" && { prompt: prompt.trim() }),
    ...(preset === "custom" && { command: "words" in words ? words.words : [] }),
    ...(preset !== "custom" && model.trim() !== "" && { model: model.trim() }),
    network,
    ...(network === "restricted" && { allowed_hosts: hostsOf(hosts) }),
  };
}
