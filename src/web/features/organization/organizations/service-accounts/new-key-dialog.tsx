import type { ReactElement } from "react";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { ServiceAccount } from "#shared/api/identity/service-accounts.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { api } from "../../../../api/api-calls.js";
import { client } from "../../../../api/client.js";
import { serviceAccountsKey } from "../../../../api/queries/identity/service-accounts.js";
import {
  type Expiration,
  expirationBody,
  ExpirationField,
} from "../../../identity/parts/api-keys/expiration-field.js";
import {
  emptyLimits,
  type Limits,
  limitsBody,
  LimitsFields,
} from "../../../identity/parts/api-keys/limits-fields.js";
import { PermissionPicker } from "../../../identity/parts/api-keys/permission-picker.js";
import { useForm } from "../../../../forms/use-form.js";
import { Button } from "../../../../ui/actions/button.js";
import { TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { RadioList } from "../../../../ui/fields/radio.js";
import { Dialog, DialogActions } from "../../../../ui/overlays/dialog.js";
import { visible } from "../../../../ui/text/plain-text.js";

interface NewKeyDialogProps {
  organization: Organization;
  account: ServiceAccount;
  refusal: DenyReason;
  onClose: () => void;
  onCreated: (secret: string) => void;
}

interface Values {
  name: string;
  description: string;
  which: "role" | "some";
  permissions: readonly string[];
  expiration: Expiration;
  limits: Limits;
}

const blank: Values = {
  name: "",
  description: "",
  which: "role",
  permissions: [],
  expiration: { choice: "90", date: "" },
  limits: emptyLimits,
};

/** Creates a key of a service account, and hands its secret over to be shown once. */
export function NewKeyDialog({
  organization,
  account,
  refusal,
  onClose,
  onCreated,
}: NewKeyDialogProps): ReactElement {
  const { id: orgId, slug } = organization;
  const form = useForm({
    endpoint: api.serviceAccounts.createKey,
    saved: blank,
    toBody: (values) => ({
      name: values.name,
      description: values.description.trim() || null,
      ...expirationBody(values.expiration),
      ...limitsBody(values.limits),
      ...(values.which === "some" && {
        scopes: values.permissions.map((permission) => `org:${slug}:${permission}`),
      }),
    }),
    run: (body, headers) => {
      const params = { org_id: orgId, service_account_id: account.id };
      return client.serviceAccounts.createKey({ params, body }, { headers });
    },
    alsoShown: ["scopes", "allowed_ips", "rate_limit_per_minute", "expires_at", "expires_in_days"],
    refresh: [serviceAccountsKey(orgId)],
    onDone: ({ key }) => {
      if (key === null) onClose();
      else onCreated(key);
    },
  });
  const { values } = form;
  const scopesError = form.errorOf("scopes");
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="wide"
      title="New key"
      description={`A program that sends it acts as ${visible(account.name)}.`}
    >
      <Form label="Key" {...form.props}>
        <TextField label="Name" {...form.field("name")} placeholder="Deployment" />
        <TextField label="Description" optional {...form.field("description")} />
        <RadioList
          legend="Which permissions"
          value={values.which}
          onChange={(which) => form.set({ which })}
          options={[
            {
              value: "role",
              label: `Those of the role ${visible(account.role_name)}`,
              hint: "A later role with more permissions does not extend the key.",
            },
            {
              value: "some",
              label: "Chosen permissions",
              hint: "The key has those of them that the role has, too.",
            },
          ]}
        />
        {values.which === "some" && (
          <PermissionPicker
            value={values.permissions}
            onChange={(permissions) => form.set({ permissions: permissions ?? ["*"] })}
            refusal={refusal}
            error={
              scopesError && values.permissions.length === 0
                ? "choose at least one permission"
                : scopesError
            }
            all={{
              hint: "Everything in the organization.",
              disabledReason: refusal("org:archive") ?? refusal("org:transfer"),
            }}
          />
        )}
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
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <SubmitButton>Create key</SubmitButton>
        </DialogActions>
      </Form>
    </Dialog>
  );
}
