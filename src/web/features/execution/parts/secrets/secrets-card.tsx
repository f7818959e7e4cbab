import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { Secret } from "#shared/api/execution/secrets.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { client } from "../../../../api/client.js";
import { type SecretOwner, secretsQuery } from "../../../../api/queries/execution/secrets.js";
import { Button } from "../../../../ui/actions/button.js";
import { Card } from "../../../../ui/layout/card.js";
import { Table } from "../../../../ui/tables/table.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../../ui/text/time.js";
import { Await } from "../../../../components/await.js";
import { ConfirmButton } from "../../../../components/confirmations.js";
import { SecretDialog } from "./secret-dialog.js";

interface SecretsCardProps {
  owner: SecretOwner;
  refusal: DenyReason;
}

/** The secrets of an organization or a project; nothing for viewers who may not see them. */
export function SecretsCard(props: SecretsCardProps): ReactElement | null {
  return props.refusal("org:secrets:read") === undefined ? <Secrets {...props} /> : null;
}

function Secrets({ owner, refusal }: SecretsCardProps): ReactElement {
  const reason = refusal("org:secrets:write");
  const secrets = useQuery(secretsQuery(owner));
  /** The secret whose value is replaced; "new" for another one. */
  const [edited, setEdited] = useState<Secret | "new" | null>(null);
  const ofProject = owner.projectId !== null;
  return (
    <Card
      title="Secrets"
      actions={
        <Button icon="plus" disabledReason={reason} onClick={() => setEdited("new")}>
          New secret
        </Button>
      }
    >
      <div className="flex flex-col gap-4">
        <p className="text-muted">
          {ofProject
            ? "Environment variables and model keys of the project's runs, in addition to the organization's. A variable of the same name and a key of the same provider replace the organization's."
            : "Environment variables and model keys of the runs of all projects. A project's own secrets replace them in its runs."}{" "}
          Logs mask values of at least 6 characters. Checks of the merge queue get no secrets.
        </p>
        <Await query={secrets} rows={1} what="The secrets">
          {(list) =>
            list.length === 0 ? (
              <p className="text-muted">No secrets yet.</p>
            ) : (
              <div className="-mx-4 -mb-4">
                <Table
                  label="Secrets"
                  rows={list}
                  rowKey={({ name }) => name}
                  columns={[
                    {
                      name: "Name",
                      renderCell: ({ name }) => (
                        <code className="font-mono text-[13px] [overflow-wrap:anywhere]">
                          {name}
                        </code>
                      ),
                    },
                    { name: "Use", renderCell: (secret) => <Use secret={secret} /> },
                    {
                      name: "Set",
                      renderCell: ({ updated_at }) => <RelativeTime value={updated_at} />,
                    },
                    {
                      name: "By",
                      renderCell: ({ set_by }) => <PlainText value={set_by.name} />,
                    },
                    {
                      name: "Actions",
                      renderCell: (secret) => (
                        <span className="inline-flex flex-wrap gap-2">
                          <Button
                            size="sm"
                            aria-label={`Replace ${secret.name}`}
                            disabledReason={reason}
                            onClick={() => setEdited(secret)}
                          >
                            Replace
                          </Button>
                          <DeleteSecret owner={owner} name={secret.name} reason={reason} />
                        </span>
                      ),
                    },
                  ]}
                />
              </div>
            )
          }
        </Await>
      </div>
      {edited !== null && (
        <SecretDialog
          owner={owner}
          secret={edited === "new" ? null : edited}
          onClose={() => setEdited(null)}
        />
      )}
    </Card>
  );
}

const titles = new Map([
  ["anthropic", "Anthropic"],
  ["openai", "OpenAI"],
]);

function Use({ secret: { provider, base_url } }: { secret: Secret }): ReactElement {
  if (provider === null) return <>Variable</>;
  return (
    <span className="[overflow-wrap:anywhere]">
      Models of <PlainText value={titles.get(provider) ?? provider} />
      {base_url !== null && (
        <>
          {" "}
          at <PlainText value={base_url} className="font-mono text-[13px]" />
        </>
      )}
    </span>
  );
}

function DeleteSecret({
  owner,
  name,
  reason,
}: {
  owner: SecretOwner;
  name: string;
  reason: string | undefined;
}): ReactElement {
  const { orgId, projectId } = owner;
  return (
    <ConfirmButton
      size="sm"
      label="Delete"
      aria-label={`Delete ${name}`}
      disabledReason={reason}
      title={`Delete the secret ${name}?`}
      action="Delete"
      mutation={{
        run: (_input, headers) =>
          projectId === null
            ? client.organizationSecrets.delete({ params: { org_id: orgId, name } }, { headers })
            : client.projectSecrets.delete(
                { params: { project_id: projectId, name } },
                { headers },
              ),
        refresh: [secretsQuery(owner).queryKey],
        successMessage: () => "The secret is deleted",
      }}
    >
      Later runs start without it. Commands that run now keep the value.
    </ConfirmButton>
  );
}
