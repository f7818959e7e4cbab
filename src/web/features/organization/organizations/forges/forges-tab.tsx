import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { Forge } from "#shared/api/work/forges.js";
import { type ForgeOutcome, forgeOutcomes } from "#shared/work/forge-outcomes.js";
import { checkingReason, type DenyReason } from "../../../../access/deny-reason.js";
import { client } from "../../../../api/client.js";
import { forgesKey, forgesQuery } from "../../../../api/queries/work/forges.js";
import { Await } from "../../../../components/await.js";
import { ConfirmButton } from "../../../../components/confirmations.js";
import { paths } from "../../../../paths/paths.js";
import { Button, buttonClass } from "../../../../ui/actions/button.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { Badge } from "../../../../ui/feedback/badge.js";
import { Skeleton } from "../../../../ui/feedback/states.js";
import { Card } from "../../../../ui/layout/card.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { EditForgeDialog, forgeTitles, NewForgeDialog, type Webhook } from "./forge-dialog.js";
import { GithubDialog } from "./github-dialog.js";
import { WebhookDialog } from "./webhook-dialog.js";
import { PeopleDialog } from "./people-dialog.js";

interface ForgesTabProps {
  orgId: string;
  refusal: DenyReason;
  /** The outcome of a visit to GitHub. */
  outcome: ForgeOutcome | undefined;
}

/** The organization's connections to forges. */
export function ForgesTab(props: ForgesTabProps): ReactElement {
  const reason = props.refusal("org:forges:read");
  if (reason === checkingReason) return <Skeleton />;
  if (reason !== undefined) {
    return <Alert tone="info">{reason} Ask an owner or an admin for it.</Alert>;
  }
  return <Forges {...props} />;
}

function Forges({ orgId, refusal, outcome }: ForgesTabProps): ReactElement {
  const forges = useQuery(forgesQuery(orgId));
  const reason = refusal("org:forges:write");
  const [shown, setShown] = useState<
    "new" | "github" | { dialog: "edit" | "people"; id: string } | null
  >(null);
  const [webhook, setWebhook] = useState<Webhook | null>(null);
  const close = (): void => setShown(null);
  const id = shown !== null && typeof shown !== "string" ? shown.id : null;
  const chosen = forges.data?.find((forge) => forge.id === id);
  const dialog = shown !== null && typeof shown !== "string" ? shown.dialog : null;
  return (
    <Card
      title="Forges"
      actions={
        <>
          <Button icon="plus" disabledReason={reason} onClick={() => setShown("github")}>
            Connect GitHub
          </Button>
          <Button disabledReason={reason} onClick={() => setShown("new")}>
            Connect forge
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-4">
        {outcome !== undefined && (
          <Alert live tone={outcome === "connected" ? "good" : "bad"}>
            {forgeOutcomes[outcome]}
          </Alert>
        )}
        <p className="text-muted">
          Projects are linked to repositories on GitHub, GitLab, Gitea or Forgejo. The work of a
          task becomes a pull request there.
        </p>
        <Await query={forges} rows={2} what="The connections">
          {(list) =>
            list.length === 0 ? (
              <p className="text-muted">No forges yet.</p>
            ) : (
              <ul className="-mx-4 -mb-4 divide-y divide-line border-t border-line">
                {list.map((forge) => (
                  <li key={forge.id} className="flex flex-col gap-2 px-4 py-3">
                    <Summary forge={forge} />
                    <Actions
                      orgId={orgId}
                      forge={forge}
                      reason={reason}
                      onEdit={() => setShown({ dialog: "edit", id: forge.id })}
                      onPeople={() => setShown({ dialog: "people", id: forge.id })}
                    />
                  </li>
                ))}
              </ul>
            )
          }
        </Await>
      </div>
      {shown === "github" && <GithubDialog orgId={orgId} onClose={close} />}
      {shown === "new" && <NewForgeDialog orgId={orgId} onClose={close} onWebhook={setWebhook} />}
      {webhook !== null && <WebhookDialog webhook={webhook} onClose={() => setWebhook(null)} />}
      {chosen && dialog === "edit" && (
        <EditForgeDialog orgId={orgId} forge={chosen} onClose={close} />
      )}
      {chosen && dialog === "people" && (
        <PeopleDialog orgId={orgId} forge={chosen} reason={reason} onClose={close} />
      )}
    </Card>
  );
}

const statusNames = {
  ok: "Connected",
  unreachable: "Unreachable",
  unauthorized: "Credential refused",
  suspended: "Suspended",
} as const;

function Summary({ forge }: { forge: Forge }): ReactElement {
  const { name, kind, url, auth, account, status, status_reason, projects, hook_error } = forge;
  return (
    <div className="flex min-w-0 flex-col gap-1">
      <div className="flex flex-wrap items-center gap-x-2 gap-y-1">
        <span className="font-medium">
          <PlainText value={name} />
        </span>
        <Badge tone={status === "ok" ? "good" : "bad"}>{statusNames[status]}</Badge>
      </div>
      <p className="text-[13px] text-muted [overflow-wrap:anywhere]">
        {forgeTitles[kind]} at <PlainText value={url} />
        {auth === "app" ? " · App in " : " · token of "}
        <PlainText value={account} />
        {` · ${projects} ${projects === 1 ? "project" : "projects"}`}
        {forge.delivery === "webhook" ? " · events by webhook" : " · asks every 30 s"}
      </p>
      {hook_error !== null && (
        <p className="text-[13px] text-warn [overflow-wrap:anywhere]">
          No webhook at <PlainText value={hook_error} /> Let the token manage webhooks and save it
          again, or replace the secret on the page of deliveries and add the webhook yourself.
        </p>
      )}
      {status_reason !== null && (
        <p className="text-[13px] text-bad">
          <PlainText value={status_reason} />
        </p>
      )}
    </div>
  );
}

function Actions({
  orgId,
  forge,
  reason,
  onEdit,
  onPeople,
}: {
  orgId: string;
  forge: Forge;
  reason: string | undefined;
  onEdit: () => void;
  onPeople: () => void;
}): ReactElement {
  const { id, name, projects } = forge;
  return (
    <div className="flex flex-wrap gap-2">
      <Link
        {...paths.forgeDeliveries(orgId, id)}
        aria-label={`Deliveries of ${name}`}
        className={buttonClass("secondary", "sm")}
      >
        Deliveries
      </Link>
      <Button size="sm" aria-label={`Edit ${name}`} disabledReason={reason} onClick={onEdit}>
        Edit
      </Button>
      <Button size="sm" aria-label={`People on ${name}`} onClick={onPeople}>
        People
      </Button>
      <ConfirmButton
        size="sm"
        label="Delete"
        aria-label={`Delete ${name}`}
        disabledReason={reason}
        title="Delete this connection?"
        mutation={{
          run: (_input, headers) =>
            client.forges.delete(
              { params: { org_id: orgId, forge_id: id }, query: { unlink: "true" } },
              { headers },
            ),
          refresh: [forgesKey(orgId)],
          successMessage: () => "The connection is deleted",
        }}
      >
        {projects === 0
          ? "No project is linked to its repositories."
          : "Projects that are linked to its repositories keep their history, and fetch and push no more. Pull requests stay open on the forge."}
      </ConfirmButton>
    </div>
  );
}
