import { Link, useNavigate } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import { api } from "#shared/api/index.js";
import { useAction } from "../../action.js";
import { checked, client } from "../../api.js";
import { paths } from "../../paths.js";
import { Button, buttonClass } from "../../ui/button.js";
import { Card } from "../../ui/card.js";
import { TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";
import { CrumbLink } from "../shell/crumb-link.js";
import { Page } from "../../ui/page.js";
import { RadioList } from "../../ui/radio.js";
import { SelectField } from "../../ui/select.js";
import { useCurrentOrganization } from "../organizations/current.js";
import { PermissionPicker } from "../organizations/permission-picker.js";
import { useRefusal } from "../organizations/permissions.js";
import { type Expiration, expirationBody, ExpirationField } from "./expiration-field.js";
import { handOver } from "./fresh-key.js";
import { LimitsFields, limitsBody, noLimits } from "./limits-fields.js";
import { apiKeysKey } from "./queries.js";

export function NewApiKeyPage(): ReactElement {
  const navigate = useNavigate();
  const { organization: current, organizations } = useCurrentOrganization();
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [chosenScope, setScope] = useState<"full" | "organization" | null>(null);
  const [chosenOrg, setOrg] = useState<string | null>(null);
  const [permissions, setPermissions] = useState<readonly string[] | null>(null);
  const [expiration, setExpiration] = useState<Expiration>({ choice: "never", date: "" });
  const [limits, setLimits] = useState(noLimits);

  const organization = organizations.find(({ id }) => id === chosenOrg) ?? current;
  const refusal = useRefusal(organization?.id);
  // The narrower one is the default, where there is an organization to narrow to.
  const scope = chosenScope ?? (organization === undefined ? "full" : "organization");

  const create = useAction({
    run: async (body: Parameters<typeof client.apiKeys.create>[0]["body"], headers) => {
      const { data, status } = await client.apiKeys.create(
        { body: checked(api.apiKeys.create, body) },
        { headers },
      );
      const { key, ...details } = data;
      // Taken out of the answer, so that no cache of answers ever holds it.
      if (key !== null) handOver(details.id, key);
      return { data: details, status };
    },
    refresh: [apiKeysKey],
    onDone: ({ id }) => void navigate({ ...paths.apiKey(id), replace: true }),
  });
  const scopesError = create.error?.field("scopes");
  const errors = {
    name: create.error?.field("name"),
    description: create.error?.field("description"),
    organization: create.error?.field("organization_id"),
    scopes:
      scopesError && permissions?.length === 0 ? "choose at least one permission" : scopesError,
    networks: create.error?.field("allowed_ips"),
    perMinute: create.error?.field("rate_limit_per_minute"),
    expiration: create.error?.field("expires_at") ?? create.error?.field("expires_in_days"),
  };
  const handleSubmit = (): void => {
    const common = {
      name,
      description: description.trim() || null,
      ...expirationBody(expiration),
      ...limitsBody(limits),
    };
    if (scope === "full" || organization === undefined) {
      create.submit({ ...common, scopes: ["*:*"] });
      return;
    }
    const granted = permissions ?? ["*"];
    create.submit({
      ...common,
      organization_id: organization.id,
      scopes: granted.map((permission) => `org:${organization.slug}:${permission}`),
    });
  };

  return (
    <Page
      title="Generate New API Key"
      width="narrow"
      crumbs={[
        <CrumbLink key="apiKeys" {...paths.apiKeys()}>
          API Keys
        </CrumbLink>,
      ]}
      description="A key acts as you, within its scope, and never does more than you may."
    >
      <Card>
        <Form
          label="Generate New API Key"
          onSubmit={handleSubmit}
          error={create.error}
          isShownAtField={Object.values(errors).some(Boolean)}
          className="gap-5"
        >
          <TextField
            label="Name"
            name="name"
            placeholder="CI/CD Integration"
            value={name}
            onChange={setName}
            error={errors.name}
          />
          <TextField
            label="Description"
            name="description"
            optional
            value={description}
            onChange={setDescription}
            error={errors.description}
          />
          <RadioList
            legend="Scope"
            value={scope}
            onChange={setScope}
            options={[
              {
                value: "full",
                label: "Full Access (*:*)",
                hint: "All that you may do, in every organization.",
              },
              ...(organization === undefined
                ? []
                : [
                    {
                      value: "organization" as const,
                      label: "Organization Scope",
                      hint: "One organization, and of that as much as you choose.",
                      children: (
                        <div className="flex flex-col gap-4">
                          <SelectField
                            label="Organization"
                            name="organization_id"
                            value={organization.id}
                            options={organizations.map(({ id, slug }) => ({
                              value: id,
                              label: slug,
                            }))}
                            onChange={setOrg}
                            error={errors.organization}
                          />
                          <PermissionPicker
                            value={permissions}
                            onChange={setPermissions}
                            refusal={refusal}
                            error={errors.scopes}
                            all={{
                              hint: "Everything you may do in the organization, now and later.",
                            }}
                          />
                        </div>
                      ),
                    },
                  ]),
            ]}
          />
          <ExpirationField value={expiration} onChange={setExpiration} error={errors.expiration} />
          <details>
            <summary className="cursor-pointer text-[13px] font-medium">More</summary>
            <div className="mt-4 flex flex-col gap-4">
              <LimitsFields value={limits} onChange={setLimits} errors={errors} />
            </div>
          </details>
          <div className="flex justify-end gap-2">
            <Link {...paths.apiKeys()} className={buttonClass()}>
              Cancel
            </Link>
            <Button type="submit" variant="primary" pending={create.pending}>
              Generate Key
            </Button>
          </div>
        </Form>
      </Card>
    </Page>
  );
}
