import type { ReactElement } from "react";
import { slugFrom } from "#shared/slug-from.js";
import { client } from "../../api.js";
import { api } from "../../contract.js";
import { useForm } from "../../form.js";
import { Button } from "../../ui/button.js";
import { TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";
import { switchOrganization } from "../organizations/current.js";
import { organizationsKey } from "../organizations/queries.js";

/** By its name alone; the rest can be changed later. */
export function OrganizationStep({ onDone }: { onDone: () => void }): ReactElement {
  const form = useForm({
    endpoint: api.organizations.create,
    saved: { name: "" },
    toBody: ({ name }) => ({ name }),
    run: (body, headers) => client.organizations.create({ body }, { headers }),
    refresh: [organizationsKey],
    say: () => "Organization created",
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
            Waiting for an invitation instead? Open the link in its mail.
          </>
        }
      />
      <div>
        <Button type="submit" variant="primary" pending={form.pending}>
          Create organization
        </Button>
      </div>
    </Form>
  );
}
