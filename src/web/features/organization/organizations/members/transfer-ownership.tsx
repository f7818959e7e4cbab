import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { Member } from "#shared/api/organization/members.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import { useApiMutation } from "../../../../api/use-mutation.js";
import { client } from "../../../../api/client.js";
import { Button } from "../../../../ui/actions/button.js";
import { ConfirmDialog } from "../../../../ui/overlays/dialog.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { SelectField } from "../../../../ui/fields/select.js";
import { meQuery } from "../../../../api/queries/identity/auth.js";
import {
  membersQuery,
  organizationsKey,
} from "../../../../api/queries/organization/organizations.js";

interface TransferProps {
  organization: Organization;
  reason: string | undefined;
}

function nameAndAddress({ display_name, email }: Member): string {
  return visible(
    email === null || email === display_name ? display_name : `${display_name} (${email})`,
  );
}

export function TransferOwnership({ organization, reason }: TransferProps): ReactElement {
  const members = useQuery(membersQuery(organization.id));
  const { data: me } = useQuery(meQuery);
  const [chosen, setChosen] = useState("");
  const [isAsking, setAsking] = useState(false);

  const people = (members.data ?? []).filter(({ kind }) => kind === "user");
  const owner = people.find(({ user_id }) => user_id === organization.owner_id);
  const others = people.filter((person) => person !== owner);
  const heir = others.find(({ user_id }) => user_id === chosen);

  const transfer = useApiMutation({
    run: (userId: string, headers) =>
      client.organizations.transfer(
        { params: { org_id: organization.id }, body: { user_id: userId } },
        { headers },
      ),
    refresh: [organizationsKey],
    successMessage: () => `${visible(heir?.display_name ?? "")} is the owner now`,
    onDone: () => {
      setAsking(false);
      setChosen("");
    },
  });
  const close = (): void => {
    setAsking(false);
    transfer.reset();
  };
  const selectReason =
    reason ??
    (members.data !== undefined && others.length === 0 ? "Add another member first." : undefined);
  const buttonReason = selectReason ?? (heir ? undefined : "Choose the new owner first.");

  return (
    <div className="flex w-full flex-col gap-1.5">
      <div className="flex flex-wrap items-end gap-2">
        <div className="min-w-0 flex-[1_1_12rem]">
          <SelectField
            label="New owner"
            name="user_id"
            value={heir?.user_id ?? ""}
            options={[
              { value: "", label: "Choose a member…" },
              ...others.map((person) => ({
                value: person.user_id ?? "",
                label: nameAndAddress(person),
              })),
            ]}
            onChange={setChosen}
            disabledReason={selectReason}
          />
        </div>
        <Button disabledReason={buttonReason} onClick={() => setAsking(true)}>
          Transfer…
        </Button>
      </div>
      {selectReason !== undefined && <p className="text-[13px] text-muted">{selectReason}</p>}
      <ConfirmDialog
        isOpen={isAsking}
        onClose={close}
        title="Transfer ownership?"
        action="Transfer"
        pending={transfer.pending}
        error={transfer.error}
        onConfirm={() => heir?.user_id && transfer.submit(heir.user_id)}
      >
        <PlainText value={heir?.display_name ?? ""} /> becomes the owner of{" "}
        <PlainText value={organization.name} />;{" "}
        {me?.id === organization.owner_id ? (
          "you become an admin, who can neither archive nor transfer it. Only the new owner can give it back."
        ) : (
          <>
            <PlainText value={owner?.display_name ?? "the present owner"} /> becomes an admin.
          </>
        )}
      </ConfirmDialog>
    </div>
  );
}
