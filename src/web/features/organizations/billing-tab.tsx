import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { Organization } from "#shared/api/organizations.js";
import { Button } from "../../ui/button.js";
import { Card } from "../../ui/card.js";
import { TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";
import { Skeleton } from "../../ui/states.js";
import { QueryError } from "../shell/query-state.js";
import { StatementList } from "../usage/statement-list.js";
import { SettingsHint } from "./permission-hint.js";
import type { Refusal } from "./permissions.js";
import { usageQuery } from "./queries.js";
import { useUpdateOrganization } from "./update.js";
import { UsageMeters } from "./usage.js";

interface BillingTabProps {
  organization: Organization;
  refusal: Refusal;
}

export function BillingTab({ organization, refusal }: BillingTabProps): ReactElement {
  const usage = useQuery(usageQuery(organization.id));
  const [email, setEmail] = useState(organization.billing_email ?? "");
  const save = useUpdateOrganization(organization.id, "Billing e-mail saved");
  const emailError = save.error?.field("billing_email");
  const reason = refusal("org:billing:write");
  return (
    <div className="flex flex-col gap-4">
      <Card title="Billing contact">
        <Form
          label="Billing contact"
          onSubmit={() => save.submit({ billing_email: email.trim() || null })}
          error={save.error}
          isShownAtField={emailError !== undefined}
          className="max-w-xl"
        >
          <SettingsHint reason={reason} />
          <TextField
            label="Billing e-mail"
            name="billing_email"
            type="email"
            value={email}
            onChange={setEmail}
            error={emailError}
            disabledReason={reason}
            hint="Shown on every statement."
          />
          <div>
            <Button type="submit" variant="primary" pending={save.pending} disabledReason={reason}>
              Save Changes
            </Button>
          </div>
        </Form>
      </Card>
      <Card title="Current usage">
        {usage.isPending ? (
          <Skeleton rows={1} />
        ) : usage.isError ? (
          <QueryError error={usage.error} onRetry={() => void usage.refetch()} />
        ) : (
          <UsageMeters usage={usage.data} />
        )}
      </Card>
      <StatementList orgId={organization.id} reason={refusal("org:billing:read")} />
    </div>
  );
}
