import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Agent } from "#shared/api/agents/agents.js";
import type { Preset } from "#shared/api/agents/presets.js";
import type { NewSession } from "#shared/api/agents/sessions.js";
import type { PresetName } from "#shared/preset-names.js";
import { api } from "../../api/api-calls.js";
import { client } from "../../api/client.js";
import { agentsKey } from "../../api/queries/execution/agents.js";
import { organizationsKey } from "../../api/queries/organization/organizations.js";
import { presetsQuery } from "../../api/queries/execution/runs.js";
import { Await } from "../../components/await.js";
import { wordsOf } from "../../components/runs/start/command-line.js";
import { useForm } from "../../forms/use-form.js";
import { paths } from "../../paths/paths.js";
import { CopyLine } from "../../ui/actions/copy-button.js";
import { Alert } from "../../ui/feedback/alert.js";
import { TextArea, TextField } from "../../ui/fields/field.js";
import { Form, SubmitButton } from "../../ui/fields/form.js";
import { SelectField } from "../../ui/fields/select.js";
import { Card } from "../../ui/layout/card.js";
import { PlainText } from "../../ui/text/plain-text.js";

interface StartSessionProps {
  agent: Agent;
  /** Why no session can start. */
  disabledReason: string | undefined;
}

/** The form that starts a session with an agent. */
export function StartSession({ agent, disabledReason }: StartSessionProps): ReactElement {
  const presets = useQuery(presetsQuery);
  return (
    <Card title="New session">
      <Await query={presets} what="The list of programs">
        {(list) => <StartForm agent={agent} disabledReason={disabledReason} presets={list} />}
      </Await>
    </Card>
  );
}

interface Values {
  preset: PresetName;
  prompt: string;
  model: string;
  line: string;
}

function StartForm({
  agent,
  disabledReason,
  presets,
}: StartSessionProps & { presets: readonly Preset[] }): ReactElement {
  const navigate = useNavigate();
  const first = presets.find(({ session }) => session?.available === true);
  const saved: Values = {
    preset: first?.name ?? "claude-code",
    prompt: agent.task?.text ?? "",
    model: "",
    line: "",
  };
  const form = useForm({
    endpoint: api.agentSessions.create,
    saved,
    toBody: bodyOf,
    run: (body, headers) =>
      client.agentSessions.create({ params: { agent_id: agent.id }, body }, { headers }),
    alsoShown: ["command"],
    fieldOf: { run_in_progress: "preset" },
    refresh: [agentsKey, organizationsKey],
    onDone: ({ id }) => void navigate({ ...paths.session(agent.id, id), ignoreBlocker: true }),
  });
  const { values } = form;
  const preset = presets.find(({ name }) => name === values.preset);
  const isCustom = values.preset === "custom";
  const missing = isCustom ? undefined : (preset?.session?.reason ?? undefined);
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
        hint="What the agent shall do first. You see what it does, answer its questions, and can write more."
      />
      <div className="grid gap-4 sm:grid-cols-2">
        <SelectField
          label="Program"
          value={values.preset}
          onChange={(name) => form.set({ preset: name as PresetName, model: "" })}
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

function bodyOf({ preset, prompt, model, line }: Values): NewSession {
  const words = wordsOf(line);
  return {
    preset,
    ...(prompt.trim() !== "" && { prompt: prompt.trim() }),
    ...(preset === "custom" && { command: "words" in words ? words.words : [] }),
    ...(preset !== "custom" && model.trim() !== "" && { model: model.trim() }),
  };
}
