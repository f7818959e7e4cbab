import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { slugFrom } from "#shared/organization/slug-from.js";
import { client } from "../../../api/client.js";
import { api } from "../../../api/api-calls.js";
import { useForm } from "../../../forms/use-form.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { switchOrganization } from "../../../access/current-organization.js";
import { meQuery } from "../../../api/queries/identity/auth.js";
import { organizationsKey } from "../../../api/queries/organization/organizations.js";

/** "Ada's team", or "My team" of a user without a name; short enough for the field. */
function suggestedName(fullName: string | null | undefined): string {
  const first = fullName?.trim().split(/\s+/)[0] ?? "";
  return first === "" || first.length > 40 ? "My team" : `${first}'s team`;
}

/** Only the name is required; the rest can be changed later. */
export function OrganizationStep({ onDone }: { onDone: () => void }): ReactElement {
  const { data: me } = useQuery(meQuery);
  const form = useForm({
    endpoint: api.organizations.create,
    saved: { name: suggestedName(me?.full_name) },
    toBody: ({ name }) => ({ name }),
    run: (body, headers) => client.organizations.create({ body }, { headers }),
    refresh: [organizationsKey],
    successMessage: () => "Organization created",
    onDone: ({ id }) => {
      switchOrganization(id);
      onDone();
    },
  });
  const slug = slugFrom(form.values.name);
  return (
    <Form label="Create an organization" {...form.props}>
      <TextField
        label="Organization name"
        placeholder="Acme Corp"
        autoComplete="organization"
        {...form.field("name")}
        hint={
          <>
            {slug !== "" && (
              <>
                Its slug will be <code className="font-mono">{slug}</code>.{" "}
              </>
            )}
            Invited to an organization? Open the link of the invitation instead.
          </>
        }
      />
      <SubmitButton className="self-start">Create organization</SubmitButton>
    </Form>
  );
}
