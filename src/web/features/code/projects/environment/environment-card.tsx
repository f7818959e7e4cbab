import { useQuery } from "@tanstack/react-query";
import { type ReactElement, type ReactNode, useState } from "react";
import type { Environment } from "#shared/api/execution/environments.js";
import type { Project } from "#shared/api/code/projects.js";
import { PermissionHint } from "../../../../access/permission-hint.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { client } from "../../../../api/client.js";
import { buildList, environmentQuery } from "../../../../api/queries/execution/environments.js";
import { useApiMutation } from "../../../../api/use-mutation.js";
import { Await } from "../../../../components/await.js";
import { ScriptText } from "../../../../ui/text/script-text.js";
import { Button } from "../../../../ui/actions/button.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { Card, Details } from "../../../../ui/layout/card.js";
import { Table } from "../../../../ui/tables/table.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { Time } from "../../../../ui/text/time.js";
import { BuildTable } from "./build-table.js";
import { EnvironmentDialog } from "./environment-dialog.js";

/** The project's environment: its setup script, variables and hosts, and the builds of the script. */
export function EnvironmentCard({
  project,
  refusal,
}: {
  project: Project;
  refusal: DenyReason;
}): ReactElement {
  const reason = refusal("project:write");
  const environment = useQuery(environmentQuery(project.id));
  const [isEditing, setEditing] = useState(false);
  const { data } = environment;
  return (
    <Card
      title="Environment"
      actions={
        <>
          <BuildButton
            project={project}
            disabledReason={reason ?? noScriptReason(data) ?? notReadyReason(project)}
          />
          <Button
            disabledReason={reason ?? (data === undefined ? "It is being loaded" : undefined)}
            onClick={() => setEditing(true)}
          >
            Edit environment
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-4">
        <p className="text-muted">
          The setup script runs once in the sandbox. New workspaces get the ignored files that it
          leaves, such as installed packages; workspaces of other types than local get none.
        </p>
        <PermissionHint reason={reason} />
        <Await query={environment} what="The environment">
          {(loaded) =>
            loaded.updated_at === null ? (
              <p className="text-muted">
                No environment yet. Edit it to install the project&apos;s packages once instead of
                in every run.
              </p>
            ) : (
              <EnvironmentDetails environment={loaded} />
            )
          }
        </Await>
        {data !== undefined && data.updated_at !== null && (
          <section aria-label="Builds" className="flex flex-col gap-2">
            <h3 className="font-medium">Builds</h3>
            <BuildTable projectId={project.id} />
          </section>
        )}
      </div>
      {isEditing && data && (
        <EnvironmentDialog
          projectId={project.id}
          environment={data}
          onClose={() => setEditing(false)}
        />
      )}
    </Card>
  );
}

function noScriptReason(environment: Environment | undefined): string | undefined {
  if (environment === undefined) return "It is being loaded";
  return environment.setup_script === "" ? "The environment has no setup script" : undefined;
}

function notReadyReason({ status }: Project): string | undefined {
  return status === "ready" ? undefined : "The project is not ready";
}

function BuildButton({
  project,
  disabledReason,
}: {
  project: Project;
  disabledReason: string | undefined;
}): ReactElement {
  const build = useApiMutation({
    run: (_input: undefined, headers) =>
      client.environments.build({ params: { project_id: project.id } }, { headers }),
    refresh: [environmentQuery(project.id).queryKey, buildList(project.id).queryKey],
    successMessage: () => "The build is queued",
    toastErrors: true,
  });
  return (
    <Button
      icon="retry"
      pending={build.pending}
      disabledReason={disabledReason}
      onClick={() => build.submit(undefined)}
    >
      Build now
    </Button>
  );
}

function EnvironmentDetails({ environment }: { environment: Environment }): ReactElement {
  const { setup_script, cache_key_files, allowed_hosts, network, problem } = environment;
  const variables = Object.entries(environment.variables);
  return (
    <>
      {problem !== null && (
        <Alert tone="warn">
          <PlainText value={problem} multiline />
        </Alert>
      )}
      <Part title="Setup script">
        {setup_script === "" ? (
          <p className="text-muted">None. New workspaces start with the files of git.</p>
        ) : (
          <ScriptText label="Setup script" text={setup_script} />
        )}
      </Part>
      <Details
        columns={2}
        rows={{
          "Key files": <Names names={cache_key_files} empty="None" />,
          "Allowed hosts":
            allowed_hosts === null ? (
              "Named by each run"
            ) : (
              <Names names={allowed_hosts} empty="This server only" />
            ),
          "Script's network": network === "restricted" ? "Restricted to the allowed hosts" : "None",
          Updated: environment.updated_at !== null && <Time value={environment.updated_at} />,
        }}
      />
      <Part title="Variables">
        {variables.length > 0 && (
          <div className="rounded-md border border-line">
            <Table
              label="Variables"
              rows={variables}
              rowKey={([name]) => name}
              columns={[
                {
                  name: "Name",
                  renderCell: ([name]) => (
                    <code className="font-mono text-[13px] [overflow-wrap:anywhere]">{name}</code>
                  ),
                },
                {
                  name: "Value",
                  renderCell: ([, value]) => (
                    <PlainText value={value} multiline className="font-mono text-[13px]" />
                  ),
                },
              ]}
            />
          </div>
        )}
        <p className="text-[13px] text-muted">
          {variables.length === 0 && "None. "}
          All members see the values. Put tokens and passwords into the project&apos;s secrets,
          which replace variables of the same name.
        </p>
      </Part>
    </>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }): ReactElement {
  return (
    <div className="flex flex-col gap-2">
      <h3 className="font-medium">{title}</h3>
      {children}
    </div>
  );
}

function Names({ names, empty }: { names: readonly string[]; empty: string }): ReactElement {
  if (names.length === 0) return <>{empty}</>;
  return (
    <ul>
      {names.map((name) => (
        <li key={name}>
          <PlainText value={name} className="font-mono text-[13px]" />
        </li>
      ))}
    </ul>
  );
}
