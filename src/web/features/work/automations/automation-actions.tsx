import { Link, useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Automation } from "#shared/api/work/automations.js";
import { client } from "../../../api/client.js";
import { automationsKey } from "../../../api/queries/work/automations.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { ConfirmButton } from "../../../components/confirmations.js";
import { paths } from "../../../paths/paths.js";
import { Button, buttonClass } from "../../../ui/actions/button.js";
import { notify } from "../../../ui/feedback/toast.js";
import { decisionNames } from "../parts/automations/automation-words.js";

interface ActionsProps {
  automation: Automation;
  /** Why the viewer may not change it. */
  reason: string | undefined;
  onAddress: (address: { url: string | null; secret: string | null }) => void;
}

/** The actions of a member on an automation. */
export function AutomationActions({ automation, reason, onAddress }: ActionsProps): ReactElement {
  const { id, project_id, status, triggers } = automation;
  const params = { project_id, automation_id: id };
  const refresh = [automationsKey];
  const navigate = useNavigate();
  const run = useApiMutation({
    run: (_input: undefined, headers) => client.automations.run({ params, body: {} }, { headers }),
    refresh,
    onDone: ({ decision, reason: why }) => {
      if (decision === "fired") notify("It has fired", "good");
      else notify(`${decisionNames[decision]}: ${why ?? "It is decided soon."}`, "bad");
    },
    toastErrors: true,
  });
  const change = useApiMutation({
    run: (body: { status: Automation["status"] }, headers) =>
      client.automations.update({ params, body }, { headers }),
    refresh,
    successMessage: (data) => (data.status === "active" ? "It is active" : "It is paused"),
    toastErrors: true,
  });
  const isActive = status === "active";
  return (
    <>
      <Button
        variant="primary"
        disabledReason={reason ?? (isActive ? undefined : "Resume it first.")}
        pending={run.pending}
        onClick={() => run.submit(undefined)}
      >
        Run now
      </Button>
      <Button
        disabledReason={reason}
        pending={change.pending}
        onClick={() => change.submit({ status: isActive ? "paused" : "active" })}
      >
        {isActive ? "Pause" : "Resume"}
      </Button>
      {reason === undefined && (
        <Link {...paths.editAutomation(project_id, id)} className={buttonClass()}>
          Edit
        </Link>
      )}
      {triggers.some(({ type }) => type === "webhook") && (
        <ConfirmButton
          label="Replace address"
          disabledReason={reason}
          title="Replace its address?"
          mutation={{
            run: (_input, headers) => client.automations.rotateToken({ params }, { headers }),
            refresh,
            onDone: onAddress,
          }}
        >
          The former address and secret end at once. The new ones are shown once.
        </ConfirmButton>
      )}
      <ConfirmButton
        label="Delete"
        disabledReason={reason}
        title="Delete this automation?"
        mutation={{
          run: (_input, headers) => client.automations.delete({ params }, { headers }),
          refresh: [[...automationsKey, project_id, "list"]],
          successMessage: () => "The automation is deleted",
          onDone: () => void navigate(paths.projectAutomations(project_id)),
        }}
      >
        Its firings are deleted, too. Its tasks stay.
      </ConfirmButton>
    </>
  );
}
