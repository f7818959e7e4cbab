import type { ReactElement } from "react";
import type { ClusterNode, NodeProject } from "#shared/api/operation/nodes.js";
import { client } from "../../../../api/client.js";
import {
  adminKey,
  isUnfinished,
  nodeChoicesQuery,
  nodeProjectList,
} from "../../../../api/queries/operation/admin.js";
import { useLoaded } from "../../../../api/use-loaded.js";
import { ConfirmButton } from "../../../../components/confirmations.js";
import { countOf, formatNumber } from "../../../../ui/text/number.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { CursorTable } from "../cursor-table.js";
import { MoveAllButton } from "./move-all-button.js";
import { MoveButton } from "./move-button.js";
import { MoveState } from "./move-state.js";
import { moveDenyReason, targetsFrom } from "./move-targets.js";

/** The projects that are stored on a server, and those that move from or to it. */
export function ServerProjects({ node }: { node: ClusterNode }): ReactElement {
  const { data: nodes } = useLoaded(nodeChoicesQuery);
  const targets = targetsFrom(node, nodes);
  const reason = moveDenyReason(node, targets);
  return (
    <CursorTable
      title="Projects"
      actions={node.url !== null && <MoveAllButton node={node} targets={targets} reason={reason} />}
      label="projects"
      list={nodeProjectList(node.id)}
      empty={
        node.draining
          ? "No projects are stored here. The server can be stopped and removed."
          : "No projects are stored here."
      }
      rowKey={({ id }) => id}
      columns={[
        {
          name: "Project",
          renderCell: ({ name, slug, organization }) => (
            <>
              <PlainText value={name} className="font-medium" />
              <span className="block font-mono text-[13px] [overflow-wrap:anywhere] text-muted">
                {organization.slug}/{slug}
              </span>
            </>
          ),
        },
        {
          name: "Organization",
          renderCell: ({ organization }) => <PlainText value={organization.name} />,
        },
        { name: "Agents", isNumber: true, renderCell: ({ agents }) => formatNumber(agents) },
        { name: "Runs", isNumber: true, renderCell: ({ running }) => formatNumber(running) },
        {
          name: "Move",
          renderCell: ({ name, move }) => <MoveState project={name} move={move} nodeId={node.id} />,
        },
        {
          name: "Actions",
          renderCell: (project) =>
            project.move !== null && isUnfinished(project.move) ? (
              <CancelButton project={project} />
            ) : (
              <MoveButton
                project={project}
                targets={targets}
                reason={
                  reason ??
                  (project.running === 0
                    ? undefined
                    : `${countOf(project.running, "run is", "runs are")} in progress; wait for the end, or stop ${project.running === 1 ? "it" : "them"}.`)
                }
              />
            ),
        },
      ]}
    />
  );
}

/** Cancels a move until the project changes its server. */
function CancelButton({ project: { id, name, move } }: { project: NodeProject }): ReactElement {
  const isLate = move?.state !== "copying" && move?.state !== "freezing";
  return (
    <ConfirmButton
      label="Cancel move"
      aria-label={`Cancel move of ${visible(name)}`}
      disabledReason={isLate ? "The project has changed its server." : undefined}
      title={`Cancel the move of ${visible(name)}?`}
      dismiss="Keep moving"
      mutation={{
        run: (_input, headers) =>
          client.projectMoves.cancel({ params: { project_id: id } }, { headers }),
        refresh: [adminKey],
        successMessage: () => "Move canceled",
      }}
    >
      The project stays on {visible(move?.from.name ?? "its server")}. Files that were copied to{" "}
      {visible(move?.to.name ?? "the other server")} are deleted.
    </ConfirmButton>
  );
}
