import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { Project } from "#shared/api/code/projects.js";
import { PermissionHint } from "../../../access/permission-hint.js";
import type { DenyReason } from "../../../access/deny-reason.js";
import { api } from "../../../api/api-calls.js";
import { client } from "../../../api/client.js";
import { editOptions } from "../../../api/incoming.js";
import { queryClient } from "../../../api/query-client.js";
import { projectQuery, projectsKey } from "../../../api/queries/code/projects.js";
import { sandboxQuery } from "../../../api/queries/execution/runs.js";
import { useForm } from "../../../forms/use-form.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { Card } from "../../../ui/layout/card.js";

interface ContainersCardProps {
  project: Project;
  refusal: DenyReason;
}

const textOf = (value: number | null): string => (value === null ? "" : String(value));
const numberOf = (text: string): number | null => (text.trim() === "" ? null : Number(text));

/** The fields, by the names in the API's validation errors. */
const fieldsOf = ({ kubernetes: { image, cpus, memory_mib, disk_mib } }: Project) => ({
  "kubernetes.image": image ?? "",
  "kubernetes.cpus": textOf(cpus),
  "kubernetes.memory_mib": textOf(memory_mib),
  "kubernetes.disk_mib": textOf(disk_mib),
});

/** The containers of the project's runs in the cluster, where the installation has one. */
export function ContainersCard(props: ContainersCardProps): ReactElement | null {
  const { data: sandbox } = useQuery(sandboxQuery);
  return sandbox?.kubernetes.available === true ? <Containers {...props} /> : null;
}

function Containers({ project, refusal }: ContainersCardProps): ReactElement {
  const params = { project_id: project.id };
  const reason = refusal("project:write");
  const form = useForm({
    endpoint: api.projects.update,
    ...editOptions(
      project,
      () => queryClient.fetchQuery({ ...projectQuery(project.id), staleTime: 0 }),
      fieldsOf,
    ),
    toBody: (values) => ({
      kubernetes: {
        image: values["kubernetes.image"].trim() || null,
        cpus: numberOf(values["kubernetes.cpus"]),
        memory_mib: numberOf(values["kubernetes.memory_mib"]),
        disk_mib: numberOf(values["kubernetes.disk_mib"]),
      },
    }),
    run: (body, headers) => client.projects.update({ params, body }, { headers }),
    refresh: [projectsKey],
    successMessage: () => "Containers saved",
  });
  return (
    <Card title="Containers in Kubernetes">
      <Form label="Containers in Kubernetes" {...form.props} className="max-w-xl">
        <p className="text-muted">
          The runs of the project&apos;s Kubernetes workspaces are Jobs with these containers. An
          empty field takes the installation&apos;s default.
        </p>
        <PermissionHint reason={reason} />
        <TextField
          label="Image"
          optional
          spellCheck={false}
          {...form.field("kubernetes.image")}
          className="font-mono text-[13px]"
          placeholder="docker.io/library/node:24"
          disabledReason={reason}
          hint="Commands run in this image; it needs no part of Omoi."
        />
        <TextField
          label="Processors"
          optional
          inputMode="decimal"
          {...form.field("kubernetes.cpus")}
          disabledReason={reason}
          hint="0.1 to 64 for each run."
        />
        <TextField
          label="Memory in MiB"
          optional
          inputMode="numeric"
          {...form.field("kubernetes.memory_mib")}
          disabledReason={reason}
          hint="256 to 1048576 for each run; a run that needs more fails."
        />
        <TextField
          label="Disk space in MiB"
          optional
          inputMode="numeric"
          {...form.field("kubernetes.disk_mib")}
          disabledReason={reason}
          hint="256 to 1048576 for each run: the workspace and other files that it writes."
        />
        <SubmitButton disabledReason={reason} className="self-start">
          Save containers
        </SubmitButton>
      </Form>
    </Card>
  );
}
