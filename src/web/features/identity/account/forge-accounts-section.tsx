import { useQueries, useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { ForgeAccount } from "#shared/api/work/forge-people.js";
import type { ForgeKind } from "#shared/api/work/forges.js";
import { forgeOutcomes } from "#shared/work/forge-outcomes.js";
import { api } from "../../../api/api-calls.js";
import { client } from "../../../api/client.js";
import { organizationsQuery } from "../../../api/queries/organization/organizations.js";
import { forgeAccountsQuery, forgesKey } from "../../../api/queries/work/forges.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { ConfirmButton } from "../../../components/confirmations.js";
import { useForm } from "../../../forms/use-form.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { Button } from "../../../ui/actions/button.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { Card } from "../../../ui/layout/card.js";
import { Dialog, DialogActions } from "../../../ui/overlays/dialog.js";
import { PlainText } from "../../../ui/text/plain-text.js";

const route = getRouteApi("/app/settings/profile");

/** The person's accounts on the forges of their organizations; nothing without a forge. */
export function ForgeAccountsSection(): ReactElement | null {
  const { forge: outcome } = route.useSearch();
  const { data: organizations = [] } = useQuery(organizationsQuery);
  const accounts = useQueries({
    queries: organizations.map(({ id }) => forgeAccountsQuery(id)),
  });
  const all = organizations.flatMap((organization, at) =>
    (accounts[at]?.data ?? []).map((account) => ({ organization, account })),
  );
  if (all.length === 0 && outcome === undefined) return null;
  return (
    <Card title="Accounts on forges">
      <div className="flex flex-col gap-4">
        {outcome !== undefined && (
          <Alert live tone={outcome === "linked" ? "good" : "bad"}>
            {forgeOutcomes[outcome]}
          </Alert>
        )}
        <p className="text-muted">
          What you write or label on a forge acts here as you once your account is linked.
        </p>
        <ul
          aria-label="Accounts on forges"
          className="-mx-4 -mb-4 divide-y divide-line border-t border-line"
        >
          {all.map(({ organization, account }) => (
            <li
              key={account.forge_id}
              className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2 px-4 py-3"
            >
              <div className="min-w-0">
                <p className="font-medium">
                  <PlainText value={account.name} />
                </p>
                <p className="text-[13px] text-muted [overflow-wrap:anywhere]">
                  <PlainText value={organization.name} />
                  {" · "}
                  {account.logins.length === 0
                    ? "Not linked"
                    : account.logins.map(({ login }) => `@${login}`).join(", ")}
                </p>
              </div>
              <Actions orgId={organization.id} account={account} />
            </li>
          ))}
        </ul>
      </div>
    </Card>
  );
}

function Actions({ orgId, account }: { orgId: string; account: ForgeAccount }): ReactElement {
  const [isOpen, setOpen] = useState(false);
  const { forge_id, name, logins, by_oauth } = account;
  const inBrowser = useApiMutation({
    run: (_input: undefined, headers) =>
      client.githubApps.startLink({ params: { org_id: orgId, forge_id } }, { headers }),
    onDone: ({ url }) => location.assign(url),
    toastErrors: true,
  });
  return (
    <div className="flex flex-wrap gap-2">
      <Button
        size="sm"
        aria-label={`Link account on ${name}`}
        pending={inBrowser.pending}
        onClick={() => (by_oauth ? inBrowser.submit(undefined) : setOpen(true))}
      >
        Link account
      </Button>
      {logins.length > 0 && (
        <ConfirmButton
          size="sm"
          label="Unlink"
          aria-label={`Unlink from ${name}`}
          title={`Unlink from ${name}?`}
          mutation={{
            run: (_input, headers) =>
              client.forgePeople.unlink({ params: { org_id: orgId, forge_id } }, { headers }),
            refresh: [forgesKey(orgId)],
            successMessage: () => "Unlinked",
          }}
        >
          What you write there no longer acts as you.
        </ConfirmButton>
      )}
      {isOpen && <LinkDialog orgId={orgId} account={account} onClose={() => setOpen(false)} />}
    </div>
  );
}

const hints: Record<ForgeKind, string> = {
  github: "Any token of yours works; a fine-grained token needs no permission.",
  gitlab: "A personal access token with the scope read_user.",
  gitea: "A token that may read the user.",
};

function LinkDialog({
  orgId,
  account,
  onClose,
}: {
  orgId: string;
  account: ForgeAccount;
  onClose: () => void;
}): ReactElement {
  const form = useForm({
    endpoint: api.forgePeople.link,
    saved: { token: "" },
    toBody: ({ token }) => ({ token: token.trim() }),
    run: (body, headers) =>
      client.forgePeople.link(
        { params: { org_id: orgId, forge_id: account.forge_id }, body },
        { headers },
      ),
    refresh: [forgesKey(orgId)],
    successMessage: ({ login }) => `Linked as @${login}`,
    onDone: onClose,
  });
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={`Link account on ${account.name}`}
      description="A token proves that the account is yours. The server asks the forge once whose it is, and does not store it. Delete it on the forge afterwards."
    >
      <Form label="Link account" {...form.props}>
        <TextField
          label="Token"
          type="password"
          autoComplete="off"
          hint={hints[account.kind]}
          {...form.field("token")}
        />
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <SubmitButton>Link account</SubmitButton>
        </DialogActions>
      </Form>
    </Dialog>
  );
}
