import { Link } from "@tanstack/react-router";
import type { KeyboardEvent, ReactElement } from "react";
import type { OrganizationItem } from "#shared/api/organization/organizations.js";
import { paths } from "../../../../paths/paths.js";
import { CopyLine } from "../../../../ui/feedback/copy-button.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { TextArea } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { Dialog } from "../../../../ui/overlays/dialog.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { MissingKeyFields } from "./missing-key-fields.js";
import { ChoiceFields, MoreFields } from "./new-task-fields.js";
import { useNewTask } from "./use-new-task.js";

interface NewTaskDialogProps {
  organization: OrganizationItem;
  /** The project of the open page. */
  projectId: string | undefined;
  /** What is already written. */
  draft: string;
  onClose: () => void;
}

/** One box that creates a task, its agents, workspaces and sessions, and leads to its page. */
export function NewTaskDialog(props: NewTaskDialogProps): ReactElement {
  return (
    <Dialog isOpen onClose={props.onClose} title="New task" width="wide">
      <NewTaskForm {...props} />
    </Dialog>
  );
}

function NewTaskForm(props: NewTaskDialogProps): ReactElement {
  const { organization, onClose } = props;
  const state = useNewTask(props);
  const { form, project, preset, missing, lackingSecret, install, disabledReason, submit } = state;
  const body = form.field("body");
  const handleKey = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || event.nativeEvent.isComposing) return;
    const isForced = event.metaKey || event.ctrlKey;
    // On a touch screen, Enter is the only way to a new line.
    if (!isForced && (event.shiftKey || matchMedia("(pointer: coarse)").matches)) return;
    event.preventDefault();
    submit();
  };
  const isExplained = lackingSecret !== undefined || install !== undefined;
  const missingReason = missing ?? (install === undefined ? undefined : form.error?.message);
  const installation = install ?? preset?.session?.install;
  return (
    <Form
      label="New task"
      {...form.props}
      onSubmit={submit}
      isShownAtField={form.props.isShownAtField || isExplained}
    >
      <TextArea
        label="What should be done?"
        rows={3}
        {...body}
        error={
          body.error !== undefined && body.value.trim() === ""
            ? "Write what should be done"
            : body.error
        }
        placeholder="Invoices round half cents the wrong way, see src/invoice/total.ts"
        onKeyDown={handleKey}
        className="field-sizing-content max-h-[40vh] min-h-20"
      />
      <ChoiceFields state={state} />
      <MoreFields orgId={organization.id} state={state} />
      {missingReason !== undefined && installation !== undefined && (
        <Missing reason={missingReason} install={installation} />
      )}
      {lackingSecret !== undefined && project && preset && (
        <MissingKeyFields
          organization={organization}
          project={project}
          preset={preset}
          secret={lackingSecret}
          onSaved={submit}
        />
      )}
      <div className="flex flex-wrap items-center justify-end gap-x-4 gap-y-2">
        <p className="mr-auto text-[13px] text-muted">
          {disabledReason === undefined ? (
            <span className="pointer-coarse:hidden">Shift+Enter adds a line.</span>
          ) : (
            <PlainText value={disabledReason} />
          )}
          {state.projects?.length === 0 && (
            <>
              {" "}
              <Link
                {...paths.projects({ new: true })}
                onClick={onClose}
                className="text-accent-ink underline"
              >
                New project
              </Link>
            </>
          )}
        </p>
        <SubmitButton
          variant={lackingSecret === undefined ? "primary" : "secondary"}
          disabledReason={disabledReason}
        >
          {form.values.isLater ? "Create task" : "Start"}
        </SubmitButton>
      </div>
    </Form>
  );
}

/** Why the program cannot start, and how to install it. */
function Missing({ reason, install }: { reason: string; install: string }): ReactElement {
  return (
    <Alert tone="warn">
      <div className="flex flex-col gap-2">
        <PlainText value={reason} />
        <span>Install it on the machine that Omoi runs on:</span>
        <CopyLine text={install} label="Copy install command" />
      </div>
    </Alert>
  );
}
