import { useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { client } from "../../api/client.js";
import { api } from "../../api/api-calls.js";
import { useForm } from "../../forms/use-form.js";
import { paths } from "../../paths/paths.js";
import { Button } from "../../ui/actions/button.js";
import { Dialog, DialogActions } from "../../ui/overlays/dialog.js";
import { Checkbox, TextArea, TextField } from "../../ui/fields/field.js";
import { Form } from "../../ui/fields/form.js";
import { visible } from "../../ui/text/plain-text.js";
import { RadioList, Segments } from "../../ui/fields/radio.js";
import { agentsKey } from "../../api/queries/agents.js";
import { organizationsKey } from "../../api/queries/organizations.js";
import { wordsOf } from "./command-line.js";
import { EnvFields, type EnvRow, envOf, nameErrors } from "./env-fields.js";
import type { Isolation } from "./isolation.js";
import { SandboxNotice } from "./sandbox-notice.js";

interface Values {
  kind: "command" | "script";
  line: string;
  script: string;
  env: readonly EnvRow[];
  minutes: string;
  network: "none" | "restricted" | "full";
  /** One host per line. */
  hosts: string;
  queue: boolean;
}

const blank: Values = {
  kind: "command",
  line: "",
  script: "",
  env: [],
  minutes: "",
  network: "none",
  hosts: "",
  queue: false,
};

interface RunCommandDialogProps {
  isOpen: boolean;
  onClose: () => void;
  agentId: string;
  /** The command's isolation; undefined while unknown. */
  isolation: Isolation | undefined;
}

/** Why the network cannot be restricted here. */
function restrictionProblem({ mode, full_network }: Isolation): string | undefined {
  if (mode === "docker") return "Containers cannot have a restricted network.";
  return full_network.isolated ? undefined : `${full_network.reason}.`;
}

const places: Record<Isolation["mode"], string> = {
  bubblewrap: "It runs in the agent's workspace, in the sandbox.",
  gvisor: "It runs in the agent's workspace, in the sandbox, with a kernel of its own.",
  docker: "It runs in the agent's workspace, in a container.",
  off: "It runs in the agent's workspace, without a sandbox.",
  unavailable: "It runs in the agent's workspace.",
};

export function RunCommandDialog(props: RunCommandDialogProps): ReactElement {
  return (
    <Dialog
      isOpen={props.isOpen}
      onClose={props.onClose}
      title="Run a command"
      description={places[props.isolation?.mode ?? "unavailable"]}
      width="wide"
    >
      <RunCommandForm {...props} />
    </Dialog>
  );
}

function RunCommandForm({
  agentId,
  onClose,
  isolation,
}: Omit<RunCommandDialogProps, "isOpen">): ReactElement {
  const navigate = useNavigate();
  const form = useForm({
    endpoint: api.runs.create,
    saved: blank,
    toBody: ({ kind, line, script, env, minutes, network, hosts, queue }) => {
      const parsed = wordsOf(line);
      const command =
        kind === "script"
          ? script.trim() === ""
            ? []
            : ["sh", "-c", script]
          : "words" in parsed
            ? parsed.words
            : [];
      return {
        command,
        network,
        ...(network === "restricted" && { allowed_hosts: hosts.split(/[\s,]+/).filter(Boolean) }),
        queue,
        ...(env.length === 0 ? {} : { env: envOf(env) }),
        ...(minutes.trim() === "" ? {} : { timeout_seconds: Math.round(Number(minutes) * 60) }),
      };
    },
    run: (body, headers) =>
      client.runs.create({ params: { agent_id: agentId }, body }, { headers }),
    alsoShown: ["command", "timeout_seconds", "allowed_hosts"],
    refresh: [agentsKey, organizationsKey],
    onDone: ({ id }) => void navigate({ ...paths.run(agentId, id), ignoreBlocker: true }),
  });
  const { values } = form;
  const parsed = wordsOf(values.line);
  const lineError = "error" in parsed ? parsed.error : form.errorOf("command");
  return (
    <Form label="Run a command" {...form.props}>
      {isolation && <SandboxNotice isolation={isolation} />}
      <Segments
        legend="What to run"
        hideLegend
        value={values.kind}
        onChange={(kind) => form.set({ kind })}
        options={[
          { value: "command", label: "Command" },
          { value: "script", label: "Shell script" },
        ]}
      />
      {values.kind === "command" ? (
        <TextField
          label="Command"
          {...form.field("line")}
          placeholder={`claude -p "fix the failing tests"`}
          className="font-mono"
          error={lineError}
          hint={
            "words" in parsed && parsed.words.length > 0 ? (
              <span data-testid="parsed">
                Runs as{" "}
                <code className="font-mono [overflow-wrap:anywhere]">
                  {visible(JSON.stringify(parsed.words))}
                </code>
              </span>
            ) : (
              "Quotes group words. No shell is used: variables and pipes do not work."
            )
          }
        />
      ) : (
        <TextArea
          label="Shell script"
          rows={6}
          spellCheck={false}
          {...form.field("script")}
          error={form.errorOf("command")}
          hint={`Runs as ["sh", "-c", …].`}
        />
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
      {isolation?.mode !== "off" && (
        <RadioList
          legend="Network"
          value={values.network}
          onChange={(network) => form.set({ network })}
          options={[
            { value: "none", label: "None", hint: "No access outside the sandbox." },
            {
              value: "restricted",
              label: "Restricted",
              hint: "Only the hosts that you list, through a proxy, and this server.",
              disabledReason: isolation === undefined ? undefined : restrictionProblem(isolation),
            },
            {
              value: "full",
              label: "Full",
              hint: "Access to other machines, such as package registries and models, and to this server.",
              disabledReason:
                isolation?.full_network.isolated === false
                  ? `${isolation.full_network.reason}.`
                  : undefined,
            },
          ]}
        />
      )}
      {values.network === "restricted" && (
        <TextArea
          label="Allowed hosts"
          rows={3}
          spellCheck={false}
          className="font-mono"
          {...form.field("hosts")}
          error={form.errorOf("allowed_hosts")}
          hint="One host per line, for example registry.npmjs.org, *.example.com or git.example.com:8443. Without a port: 443 and 80."
        />
      )}
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
          disabledReason={
            values.kind === "command" && "error" in parsed
              ? `The command ${parsed.error}`
              : nameErrors(values.env).size > 0
                ? "The name of a variable is wrong"
                : undefined
          }
        >
          Run
        </Button>
      </DialogActions>
    </Form>
  );
}
