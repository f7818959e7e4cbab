import { useLoaded } from "../../../api/use-loaded.js";
import { AgentLink } from "../../work/parts/agents/agent-link.js";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { ApiKey } from "#shared/api/identity/api-keys.js";
import { client } from "../../../api/client.js";
import { api } from "../../../api/api-calls.js";
import { useForm } from "../../../forms/use-form.js";
import { paths } from "../../../paths/paths.js";
import { queryClient } from "../../../api/query-client.js";
import { editOptions } from "../../../api/incoming.js";
import { Card, type Rows, Details } from "../../../ui/layout/card.js";
import { CopyIcon } from "../../../ui/feedback/copy-button.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { CrumbLink } from "../../../components/crumb-link.js";
import { Page } from "../../../ui/layout/page.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { Time } from "../../../ui/text/time.js";
import { useCurrentOrganization } from "../../../access/current-organization.js";
import { KeyStatus, Scopes } from "../parts/api-keys/key-status.js";
import { apiKeyQuery, apiKeysKey } from "../../../api/queries/identity/api-keys.js";
import { KeyUsageCard } from "./key-usage.js";
import { LimitsFields, limitsBody, limitsOf } from "../parts/api-keys/limits-fields.js";
import { RevokeButton } from "./revoke-button.js";
import { RotateButton } from "./rotate-button.js";

export function KeyDetails({ keyId }: { keyId: string }): ReactElement {
  const { data: key } = useLoaded(apiKeyQuery(keyId));
  const crumbs = [
    <CrumbLink key="apiKeys" {...paths.apiKeys()}>
      API Keys
    </CrumbLink>,
  ];
  return (
    <Page
      title={key.name}
      documentTitle={`API key ${key.name}`}
      width="narrow"
      crumbs={crumbs}
      actions={
        <>
          <RotateButton apiKey={key} />
          <RevokeButton apiKey={key} />
        </>
      }
    >
      <Card title="Details">
        <KeyFields apiKey={key} />
      </Card>
      <KeyUsageCard apiKey={key} />
      <Rename apiKey={key} />
    </Page>
  );
}

function KeyFields({ apiKey: key }: { apiKey: ApiKey }): ReactElement {
  const { organizations } = useCurrentOrganization();
  const organization = organizations.find(({ id }) => id === key.organization_id);
  const time = (value: string | null): ReactElement | string =>
    value === null ? "Never" : <Time value={value} />;
  const rows: Rows = {
    Key: <code className="font-mono text-[13px]">{key.key_hint}</code>,
    ID: (
      <span className="flex items-start gap-0.5">
        <code className="font-mono text-[13px]">{key.id}</code>
        <CopyIcon text={key.id} label="Copy id" />
      </span>
    ),
    Status: <KeyStatus apiKey={key} />,
    Scope: <Scopes scopes={key.scopes} />,
    Organization: organization ? (
      <Link {...paths.organization(organization.id)} className="text-accent-ink hover:underline">
        <PlainText value={organization.name} />
      </Link>
    ) : (
      (key.organization_id ?? "All of yours")
    ),
    Created: <Time value={key.created_at} />,
    "Last Used": time(key.last_used_at),
    "Last used from": key.last_used_ip ?? "Nowhere yet",
    Expires: time(key.expires_at),
    ...(key.revoked_at === null ? {} : { Revoked: <Time value={key.revoked_at} /> }),
    ...(key.replaced_by === null
      ? {}
      : {
          "Replaced by": (
            <Link {...paths.apiKey(key.replaced_by)} className="text-accent-ink hover:underline">
              {key.replaced_by}
            </Link>
          ),
        }),
    "Allowed addresses": key.allowed_ips === null ? "All" : key.allowed_ips.join(", "),
    "Requests a minute": key.rate_limit_per_minute?.toLocaleString() ?? "Not limited",
    ...(key.shut_out_of.length === 0 ? {} : { "Blocked in": key.shut_out_of.join(", ") }),
    "Acts as": key.agent_id === null ? "You" : <AgentLink agentId={key.agent_id} />,
  };
  return <Details rows={rows} />;
}

function Rename({ apiKey }: { apiKey: ApiKey }): ReactElement {
  const form = useForm({
    endpoint: api.apiKeys.update,
    ...editOptions(
      apiKey,
      () => queryClient.fetchQuery({ ...apiKeyQuery(apiKey.id), staleTime: 0 }),
      (key) => ({ name: key.name, description: key.description ?? "", limits: limitsOf(key) }),
    ),
    toBody: (values, changed) => ({
      ...(changed.has("name") ? { name: values.name } : {}),
      ...(changed.has("description") ? { description: values.description.trim() || null } : {}),
      ...(changed.has("limits") ? limitsBody(values.limits) : {}),
    }),
    run: (body, headers) =>
      client.apiKeys.update({ params: { key_id: apiKey.id }, body }, { headers }),
    alsoShown: ["allowed_ips", "rate_limit_per_minute"],
    refresh: [apiKeysKey],
    successMessage: () => "Changes saved",
  });
  return (
    <Card title="Edit key">
      <Form label="Change the key" {...form.props}>
        <TextField label="Name" {...form.field("name")} />
        <TextField label="Description" optional {...form.field("description")} />
        <LimitsFields
          value={form.values.limits}
          onChange={(limits) => form.set({ limits })}
          errors={{
            networks: form.errorOf("allowed_ips"),
            perMinute: form.errorOf("rate_limit_per_minute"),
          }}
        />
        <SubmitButton className="self-start">Save Changes</SubmitButton>
      </Form>
    </Card>
  );
}
