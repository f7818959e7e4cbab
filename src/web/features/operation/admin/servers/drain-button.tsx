import type { ReactElement } from "react";
import type { ClusterNode } from "#shared/api/operation/nodes.js";
import { client } from "../../../../api/client.js";
import { adminKey } from "../../../../api/queries/operation/admin.js";
import { useApiMutation } from "../../../../api/use-mutation.js";
import { ConfirmButton } from "../../../../components/confirmations.js";
import { Button } from "../../../../ui/actions/button.js";
import { visible } from "../../../../ui/text/plain-text.js";

/** Drains a server, or resumes a drained one; nothing for a server that serves its database alone. */
export function DrainButton({ node }: { node: ClusterNode }): ReactElement | null {
  const params = { node_id: node.id };
  const name = visible(node.name);
  const resume = useApiMutation({
    run: (_input: undefined, headers) => client.nodes.resume({ params }, { headers }),
    refresh: [adminKey],
    successMessage: () => "Server resumed",
    toastErrors: true,
  });
  if (node.url === null) return null;
  if (node.draining) {
    return (
      <Button
        aria-label={`Resume ${name}`}
        pending={resume.pending}
        onClick={() => resume.submit(undefined)}
      >
        Resume
      </Button>
    );
  }
  return (
    <ConfirmButton
      label="Drain"
      aria-label={`Drain ${name}`}
      title={`Drain ${name}?`}
      action="Drain server"
      mutation={{
        run: (_input, headers) => client.nodes.drain({ params }, { headers }),
        refresh: [adminKey],
        successMessage: () => "Server is draining",
      }}
    >
      The server keeps its projects and gets no new ones, until you resume it. Its projects can be
      moved to another server on its page.
    </ConfirmButton>
  );
}
