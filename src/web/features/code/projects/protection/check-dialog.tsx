import { type ReactElement, useState } from "react";
import type { Check } from "#shared/api/code/merge-requests.js";
import type { Project } from "#shared/api/code/projects.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { api } from "../../../../api/api-calls.js";
import { client } from "../../../../api/client.js";
import { projectsKey } from "../../../../api/queries/code/projects.js";
import { lineOf, wordsOf } from "../../../../components/command/command-line.js";
import { useForm } from "../../../../forms/use-form.js";
import { Button } from "../../../../ui/actions/button.js";
import { TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { RadioList } from "../../../../ui/fields/radio.js";
import { Dialog, DialogActions } from "../../../../ui/overlays/dialog.js";
import { visible } from "../../../../ui/text/plain-text.js";
import { messageAfter, saveOrPropose } from "./save-or-propose.js";
import { WeakeningHint } from "./weakening-hint.js";

interface CheckDialogProps {
  project: Project;
  refusal: DenyReason;
  /** Null for a new one. */
  check: Check | null;
  onClose: () => void;
}

/** Creates a check or changes one. */
export function CheckDialog(props: CheckDialogProps): ReactElement {
  const { check, onClose } = props;
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={check === null ? "New check" : `Check ${visible(check.name)}`}
      description="It runs in the sandbox, in the files of the commit that would land."
    >
      <CheckForm {...props} />
    </Dialog>
  );
}

const blank = {
  line: "",
  minutes: "30",
  network: "none" as "none" | "full",
  pattern: "",
};

function CheckForm({ project, refusal, check, onClose }: CheckDialogProps): ReactElement {
  // A part of the address, not of the body.
  const [name, setName] = useState(check?.name ?? "");
  const saved =
    check === null
      ? blank
      : {
          line: lineOf(check.command),
          minutes: String(check.timeout_seconds / 60),
          network: check.network,
          pattern: check.log_pattern ?? "",
        };
  const form = useForm({
    endpoint: api.mergeQueue.setCheck,
    saved,
    toBody: ({ line, minutes, network, pattern }) => {
      const parsed = wordsOf(line);
      return {
        command: "words" in parsed ? parsed.words : [],
        timeout_seconds: Math.round(Number(minutes) * 60),
        network,
        log_pattern: pattern === "" ? null : pattern,
      };
    },
    run: (body, headers) => {
      const params = { project_id: project.id, name: name.trim() };
      return saveOrPropose(
        () => client.mergeQueue.setCheck({ params, body }, { headers }),
        project.id,
        { checks: [{ ...body, name: params.name }] },
        headers,
      );
    },
    alsoShown: ["command", "timeout_seconds", "log_pattern", "name"],
    refresh: [projectsKey],
    successMessage: (data) => messageAfter(data, "The check is saved"),
    onDone: onClose,
  });
  const { values } = form;
  const parsed = wordsOf(values.line);
  const requiring = project.protected_branches.filter(({ checks }) =>
    checks.includes(check?.name ?? ""),
  );
  return (
    <Form label="Check" {...form.props}>
      {check === null && (
        <TextField
          label="Name"
          name="name"
          value={name}
          onChange={setName}
          error={form.errorOf("name")}
          placeholder="test"
          hint="Letters, digits, dots, hyphens and underscores. Protected branches name it."
        />
      )}
      <TextField
        label="Command"
        {...form.field("line")}
        className="font-mono text-[13px]"
        placeholder="npm test"
        error={"error" in parsed ? parsed.error : form.errorOf("command")}
        hint="A program and its arguments. For a shell script, use sh -c '…'."
      />
      <TextField
        label="Timeout in minutes"
        {...form.field("minutes")}
        inputMode="decimal"
        error={form.errorOf("timeout_seconds")}
      />
      <TextField
        label="Required output (optional)"
        {...form.field("pattern")}
        className="font-mono text-[13px]"
        placeholder="[1-9][0-9]* tests? passed"
        error={form.errorOf("log_pattern")}
        hint="A regular expression that a line of the output must match, so that a command which tests nothing does not pass."
      />
      <RadioList
        legend="Network"
        value={values.network}
        onChange={(network) => form.set({ network })}
        options={[
          { value: "none", label: "None", hint: "Nothing can leave the sandbox." },
          {
            value: "full",
            label: "Full",
            hint: "The check can reach the network.",
            disabledReason: refusal("agent:network:full"),
          },
        ]}
      />
      {JSON.stringify(values) !== JSON.stringify(saved) && (
        <WeakeningHint approvals={Math.max(0, ...requiring.map(({ approvals }) => approvals))} />
      )}
      <DialogActions>
        <Button onClick={onClose}>Close</Button>
        <SubmitButton>Save</SubmitButton>
      </DialogActions>
    </Form>
  );
}
