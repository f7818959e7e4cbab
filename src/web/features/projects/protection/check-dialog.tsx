import { type ReactElement, useState } from "react";
import type { Check } from "#shared/api/projects/merge-requests.js";
import type { DenyReason } from "../../../access/permissions.js";
import { api } from "../../../api/api-calls.js";
import { client } from "../../../api/client.js";
import { projectsKey } from "../../../api/queries/projects/projects.js";
import { lineOf, wordsOf } from "../../../components/runs/start/command-line.js";
import { useForm } from "../../../forms/use-form.js";
import { Button } from "../../../ui/actions/button.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { RadioList } from "../../../ui/fields/radio.js";
import { Dialog, DialogActions } from "../../../ui/overlays/dialog.js";
import { visible } from "../../../ui/text/plain-text.js";

interface CheckDialogProps {
  projectId: string;
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

function CheckForm({ projectId, refusal, check, onClose }: CheckDialogProps): ReactElement {
  // A part of the address, not of the body.
  const [name, setName] = useState(check?.name ?? "");
  const form = useForm({
    endpoint: api.mergeQueue.setCheck,
    saved:
      check === null
        ? blank
        : {
            line: lineOf(check.command),
            minutes: String(check.timeout_seconds / 60),
            network: check.network,
            pattern: check.log_pattern ?? "",
          },
    toBody: ({ line, minutes, network, pattern }) => {
      const parsed = wordsOf(line);
      return {
        command: "words" in parsed ? parsed.words : [],
        timeout_seconds: Math.round(Number(minutes) * 60),
        network,
        log_pattern: pattern === "" ? null : pattern,
      };
    },
    run: (body, headers) =>
      client.mergeQueue.setCheck(
        { params: { project_id: projectId, name: name.trim() }, body },
        { headers },
      ),
    alsoShown: ["command", "timeout_seconds", "log_pattern", "name"],
    refresh: [projectsKey],
    successMessage: () => "The check is saved",
    onDone: onClose,
  });
  const { values } = form;
  const parsed = wordsOf(values.line);
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
      <DialogActions>
        <Button onClick={onClose}>Close</Button>
        <SubmitButton>Save</SubmitButton>
      </DialogActions>
    </Form>
  );
}
