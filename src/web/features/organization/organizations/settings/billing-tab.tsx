import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { Organization } from "#shared/api/organization/organizations.js";
import { Card } from "../../../../ui/layout/card.js";
import { TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { ResourceCard } from "../../../../components/resource-card.js";
import { StatementList } from "../usage/statement-list.js";
import { SettingsHint } from "../../../../access/permission-hint.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { usageQuery } from "../../../../api/queries/organization/organizations.js";
import { useOrganizationForm } from "./update.js";
import { UsageMeters } from "../../parts/usage/usage.js";

interface BillingTabProps {
  organization: Organization;
  refusal: DenyReason;
}

export function BillingTab({ organization, refusal }: BillingTabProps): ReactElement {
  const usage = useQuery(usageQuery(organization.id));
  const form = useOrganizationForm({
    organization,
    savedOf: ({ billing_email }) => ({ billing_email: billing_email ?? "" }),
    toBody: (values) => ({ billing_email: values.billing_email.trim() || null }),
    successMessage: "Billing email saved",
  });
  const reason = refusal("org:billing:write");
  return (
    <div className="flex flex-col gap-4">
      <Card title="Billing contact">
        <Form label="Billing contact" {...form.props} className="max-w-xl">
          <SettingsHint reason={reason} />
          <TextField
            label="Billing email"
            type="email"
            {...form.field("billing_email")}
            disabledReason={reason}
            hint="Shown on every statement."
          />
          <SubmitButton disabledReason={reason} className="self-start">
            Save Changes
          </SubmitButton>
        </Form>
      </Card>
      <ResourceCard title="Current Usage" query={usage} rows={1}>
        {(data) => <UsageMeters usage={data} />}
      </ResourceCard>
      <StatementList orgId={organization.id} reason={refusal("org:billing:read")} />
    </div>
  );
}
