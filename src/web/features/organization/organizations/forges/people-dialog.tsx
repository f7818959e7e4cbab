import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { ForgePerson } from "#shared/api/work/forge-people.js";
import type { Forge } from "#shared/api/work/forges.js";
import { api } from "../../../../api/api-calls.js";
import { client } from "../../../../api/client.js";
import { membersQuery } from "../../../../api/queries/organization/organizations.js";
import {
  forgePeopleKey,
  forgePeopleQuery,
  forgesKey,
} from "../../../../api/queries/work/forges.js";
import { Await } from "../../../../components/await.js";
import { ConfirmButton } from "../../../../components/confirmations.js";
import { useForm } from "../../../../forms/use-form.js";
import { TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { SelectField } from "../../../../ui/fields/select.js";
import { Dialog } from "../../../../ui/overlays/dialog.js";
import { Table } from "../../../../ui/tables/table.js";
import { PlainText } from "../../../../ui/text/plain-text.js";

interface PeopleDialogProps {
  orgId: string;
  forge: Forge;
  /** Why the viewer may not change it. */
  reason: string | undefined;
  onClose: () => void;
}

/** The logins of a forge, and the members whom they belong to. */
export function PeopleDialog({ orgId, forge, reason, onClose }: PeopleDialogProps): ReactElement {
  const people = useQuery(forgePeopleQuery(orgId, forge.id));
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="wide"
      title={`People on ${forge.name}`}
      description="Someone who comments or labels on the forge acts here as the member whom the login belongs to, with that member's permissions. Members link their own accounts on their profile."
    >
      <div className="flex flex-col gap-4">
        <NewPerson key={people.data?.length} orgId={orgId} forge={forge} reason={reason} />
        <Await query={people} rows={3} what="The people">
          {(list) =>
            list.length === 0 ? (
              <p className="text-muted">No login is known yet.</p>
            ) : (
              <div className="-mx-5 -mb-5">
                <Table
                  label="People"
                  rows={list}
                  rowKey={({ login }) => login}
                  columns={[
                    {
                      name: "Login",
                      renderCell: ({ login }) => (
                        <span className="[overflow-wrap:anywhere]">@{login}</span>
                      ),
                    },
                    { name: "Member", renderCell: (row) => <PlainText value={row.user_name} /> },
                    {
                      name: "Known",
                      renderCell: ({ how }) => (how === "linked" ? "Linked" : "Set by an admin"),
                    },
                    {
                      name: "Actions",
                      hideName: true,
                      renderCell: (row) => (
                        <RemoveButton orgId={orgId} forge={forge} person={row} reason={reason} />
                      ),
                    },
                  ]}
                />
              </div>
            )
          }
        </Await>
      </div>
    </Dialog>
  );
}

function NewPerson({ orgId, forge, reason }: Omit<PeopleDialogProps, "onClose">): ReactElement {
  const members = useQuery(membersQuery(orgId));
  const [login, setLogin] = useState("");
  const known = login.trim().replace(/^@/, "");
  const form = useForm({
    endpoint: api.forgePeople.set,
    saved: { user_id: "" },
    toBody: ({ user_id }) => ({ user_id }),
    run: (body, headers) =>
      client.forgePeople.set(
        { params: { org_id: orgId, forge_id: forge.id, login: known }, body },
        { headers },
      ),
    refresh: [forgesKey(orgId)],
    successMessage: (person) => `@${person.login} is ${person.user_name}`,
  });
  const people = (members.data ?? []).filter(({ kind }) => kind === "user");
  return (
    <Form label="Add a login" {...form.props}>
      <div className="grid items-end gap-3 sm:grid-cols-[1fr_1fr_auto]">
        <TextField
          label="Login"
          name="login"
          placeholder="ann"
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          required
          value={login}
          onChange={setLogin}
        />
        <SelectField
          label="Member"
          {...form.field("user_id")}
          options={[
            { value: "", label: "Choose a member" },
            ...people.map(({ user_id, display_name }) => ({
              value: user_id ?? "",
              label: display_name,
            })),
          ]}
        />
        <SubmitButton disabledReason={reason}>Add login</SubmitButton>
      </div>
    </Form>
  );
}

function RemoveButton({
  orgId,
  forge,
  person,
  reason,
}: Omit<PeopleDialogProps, "onClose"> & { person: ForgePerson }): ReactElement {
  const { login, user_name } = person;
  return (
    <ConfirmButton
      size="sm"
      label="Remove"
      aria-label={`Remove ${login}`}
      disabledReason={reason}
      title={`Remove @${login}?`}
      mutation={{
        run: (_input, headers) =>
          client.forgePeople.remove(
            { params: { org_id: orgId, forge_id: forge.id, login } },
            { headers },
          ),
        refresh: [forgePeopleKey(orgId, forge.id)],
        successMessage: () => "The login is removed",
      }}
    >
      Comments and labels of @{login} no longer act as {user_name}.
    </ConfirmButton>
  );
}
