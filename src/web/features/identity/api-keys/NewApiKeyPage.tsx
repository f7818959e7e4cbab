import { Link, useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { OrganizationItem } from "#shared/api/organization/organizations.js";
import { client } from "../../../api/client.js";
import { api } from "../../../api/api-calls.js";
import { useForm } from "../../../forms/use-form.js";
import { paths } from "../../../paths/paths.js";
import { buttonClass } from "../../../ui/actions/button.js";
import { Card } from "../../../ui/layout/card.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { CrumbLink } from "../../../components/crumb-link.js";
import { Page } from "../../../ui/layout/page.js";
import { RadioList } from "../../../ui/fields/radio.js";
import { Skeleton } from "../../../ui/feedback/states.js";
import { SelectField } from "../../../ui/fields/select.js";
import { useCurrentOrganization } from "../../../access/current-organization.js";
import { PermissionPicker } from "../parts/api-keys/permission-picker.js";
import { useDenyReason } from "../../../access/permissions.js";
import { ActingAsField } from "./acting-as-field.js";
import {
  type Expiration,
  expirationBody,
  ExpirationField,
} from "../parts/api-keys/expiration-field.js";
import { handOverNewKey } from "./new-key-handoff.js";
import {
  type Limits,
  LimitsFields,
  limitsBody,
  emptyLimits,
} from "../parts/api-keys/limits-fields.js";
import { apiKeysKey } from "../../../api/queries/identity/api-keys.js";

interface Values {
  name: string;
  description: string;
  /** Null selects the narrower scope if the user has an organization. */
  scope: "full" | "organization" | null;
  /** Empty: the current organization. */
  organization_id: string;
  /** An agent of that organization; null: the user. */
  agent_id: string | null;
  /** Null: all permissions. */
  permissions: readonly string[] | null;
  expiration: Expiration;
  limits: Limits;
}

const blank: Values = {
  name: "",
  description: "",
  scope: null,
  organization_id: "",
  agent_id: null,
  permissions: null,
  expiration: { choice: "never", date: "" },
  limits: emptyLimits,
};

export function NewApiKeyPage(): ReactElement {
  const navigate = useNavigate();
  const { organization: current, organizations, isPending } = useCurrentOrganization();
  const organizationOf = (chosen: string): OrganizationItem | undefined =>
    organizations.find(({ id }) => id === chosen) ?? current;
  const form = useForm({
    endpoint: api.apiKeys.create,
    saved: blank,
    toBody: (values) => {
      const chosen = organizationOf(values.organization_id);
      const common = {
        name: values.name,
        description: values.description.trim() || null,
        ...expirationBody(values.expiration),
        ...limitsBody(values.limits),
      };
      if (values.scope === "full" || chosen === undefined) return { ...common, scopes: ["*:*"] };
      return {
        ...common,
        organization_id: chosen.id,
        ...(values.agent_id === null ? {} : { agent_id: values.agent_id }),
        scopes: (values.permissions ?? ["*"]).map(
          (permission) => `org:${chosen.slug}:${permission}`,
        ),
      };
    },
    run: async (body, headers) => {
      const { data, status } = await client.apiKeys.create({ body }, { headers });
      const { key, ...details } = data;
      // Removed from the response, so that no cache contains it.
      if (key !== null) handOverNewKey(details.id, key);
      return { data: details, status };
    },
    alsoShown: ["scopes", "allowed_ips", "rate_limit_per_minute", "expires_at", "expires_in_days"],
    refresh: [apiKeysKey],
    onDone: ({ id }) => void navigate({ ...paths.apiKey(id), replace: true }),
  });
  const { values } = form;
  const organization = organizationOf(values.organization_id);
  const refusal = useDenyReason(organization?.id);
  const scope = values.scope ?? (organization === undefined ? "full" : "organization");
  const scopesError = form.errorOf("scopes");

  return (
    <Page
      title="Generate New API Key"
      width="narrow"
      crumbs={[
        <CrumbLink key="apiKeys" {...paths.apiKeys()}>
          API Keys
        </CrumbLink>,
      ]}
      description="A key acts as you or as an agent, with the permissions of its scope."
    >
      <Card>
        {isPending ? (
          <Skeleton />
        ) : (
          <Form label="Generate New API Key" {...form.props} className="gap-5">
            <TextField label="Name" placeholder="CI/CD Integration" {...form.field("name")} />
            <TextField label="Description" optional {...form.field("description")} />
            <RadioList
              legend="Scope"
              value={scope}
              onChange={(next) => form.set({ scope: next })}
              options={[
                {
                  value: "full",
                  label: "Full Access (*:*)",
                  hint: "All of your permissions, in every organization.",
                },
                ...(organization === undefined
                  ? []
                  : [
                      {
                        value: "organization" as const,
                        label: "Organization Scope",
                        hint: "One organization, with the permissions you choose.",
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
                              onChange={(id) => form.set({ organization_id: id, agent_id: null })}
                              error={form.errorOf("organization_id")}
                            />
                            <ActingAsField
                              organizationId={organization.id}
                              value={values.agent_id}
                              onChange={(id) => form.set({ agent_id: id })}
                              refusal={refusal}
                              error={form.errorOf("agent_id")}
                            />
                            <PermissionPicker
                              value={values.permissions}
                              onChange={(permissions) => form.set({ permissions })}
                              refusal={refusal}
                              error={
                                scopesError && values.permissions?.length === 0
                                  ? "choose at least one permission"
                                  : scopesError
                              }
                              all={{
                                hint:
                                  values.agent_id === null
                                    ? "Everything you may do in the organization, now and later."
                                    : "Everything that the agent's role lets it do, now and later.",
                              }}
                            />
                          </div>
                        ),
                      },
                    ]),
              ]}
            />
            <ExpirationField
              value={values.expiration}
              onChange={(expiration) => form.set({ expiration })}
              error={form.errorOf("expires_at", "expires_in_days")}
            />
            <details>
              <summary className="cursor-pointer text-[13px] font-medium">More options</summary>
              <div className="mt-4 flex flex-col gap-4">
                <LimitsFields
                  value={values.limits}
                  onChange={(limits) => form.set({ limits })}
                  errors={{
                    networks: form.errorOf("allowed_ips"),
                    perMinute: form.errorOf("rate_limit_per_minute"),
                  }}
                />
              </div>
            </details>
            <div className="flex justify-end gap-2">
              <Link {...paths.apiKeys()} className={buttonClass()}>
                Cancel
              </Link>
              <SubmitButton>Generate Key</SubmitButton>
            </div>
          </Form>
        )}
      </Card>
    </Page>
  );
}
