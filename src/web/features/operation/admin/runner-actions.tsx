import type { ReactElement } from "react";
import type { Runner } from "#shared/api/execution/runners.js";
import { client } from "../../../api/client.js";
import { adminKey } from "../../../api/queries/operation/admin.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { ConfirmButton } from "../../../components/confirmations.js";
import { Button } from "../../../ui/actions/button.js";
import { visible } from "../../../ui/text/plain-text.js";

/** Pauses, resumes and removes a runner. The cluster is removed only while no server uses it. */
export function RunnerActions({ runner }: { runner: Runner }): ReactElement {
  const params = { runner_id: runner.id };
  const name = visible(runner.name);
  const isCluster = runner.kind === "cluster";
  const [noun, title] = isCluster ? ["cluster", "Cluster"] : ["runner", "Runner"];
  const resume = useApiMutation({
    run: (_input: undefined, headers) =>
      client.runners.update({ params, body: { paused: false } }, { headers }),
    refresh: [adminKey],
    successMessage: () => `${title} resumed`,
    toastErrors: true,
  });
  return (
    <span className="inline-flex flex-wrap gap-2">
      {runner.paused ? (
        <Button
          aria-label={`Resume ${name}`}
          pending={resume.pending}
          onClick={() => resume.submit(undefined)}
        >
          Resume
        </Button>
      ) : (
        <ConfirmButton
          label="Pause"
          aria-label={`Pause ${name}`}
          title={`Pause ${name}?`}
          action={`Pause ${noun}`}
          mutation={{
            run: (_input, headers) =>
              client.runners.update({ params, body: { paused: true } }, { headers }),
            refresh: [adminKey],
            successMessage: () => `${title} paused`,
          }}
        >
          The {noun} ends the runs that it has and takes no new ones, until you resume it.
        </ConfirmButton>
      )}
      <ConfirmButton
        label="Remove"
        aria-label={`Remove ${name}`}
        disabledReason={
          isCluster && runner.status !== "offline"
            ? "A server uses the cluster; the server's operator ends that."
            : undefined
        }
        title={`Remove ${name}?`}
        action={`Remove ${noun}`}
        mutation={{
          run: (_input, headers) => client.runners.delete({ params }, { headers }),
          refresh: [adminKey],
          successMessage: () => `${title} removed`,
        }}
      >
        {isCluster ? "It returns when a server uses the cluster again." : "Its token ends at once."}{" "}
        {runner.running === 0
          ? "It has no runs in progress."
          : "Its runs in progress end as lost, without what they have not sent yet. To let them end first, pause the runner."}
      </ConfirmButton>
    </span>
  );
}
