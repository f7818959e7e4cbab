import { type ReactElement, useState } from "react";
import type { OrganizationItem } from "#shared/api/organization/organizations.js";
import { client } from "../../../api/client.js";
import { api } from "../../../api/api-calls.js";
import { useForm } from "../../../forms/use-form.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { Button } from "../../../ui/actions/button.js";
import { CopyLine } from "../../../ui/feedback/copy-button.js";
import { DiscardDialog } from "../../../ui/overlays/dialog.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { unsavedKeyQuestion, useKeyGuard } from "../../identity/parts/api-keys/use-key-guard.js";
import { apiKeysKey } from "../../../api/queries/identity/api-keys.js";

interface KeyStepProps {
  organization: OrganizationItem;
  /** Whether the step must stay open, since the key is shown once. */
  onKeep: (isKept: boolean) => void;
}

/** Creates an expiring key for this organization only. */
export function KeyStep({ organization, onKeep }: KeyStepProps): ReactElement {
  const [secret, setSecret] = useState<string | null>(null);
  const { isSaved, onSaved } = useKeyGuard(secret);
  const [isAsking, setAsking] = useState(false);
  const form = useForm({
    endpoint: api.apiKeys.create,
    saved: { name: "My first key" },
    toBody: ({ name }) => ({ name, organization_id: organization.id, expires_in_days: 90 }),
    run: async (body, headers) => {
      const { data, status } = await client.apiKeys.create({ body }, { headers });
      // Kept in this state only, so that no cache contains the secret.
      const { key, ...details } = data;
      setSecret(key);
      onKeep(true);
      return { data: details, status };
    },
    refresh: [apiKeysKey],
    isGuarded: false,
  });
  if (secret !== null) {
    const example = `curl -H "Authorization: Bearer ${secret}" ${location.origin}/api/v1/projects`;
    return (
      <div className="flex flex-col gap-3">
        <Alert tone="warn" live>
          Copy this key now. You won't be able to see it again!
        </Alert>
        <CopyLine text={secret} label="Copy Key" onCopied={onSaved} />
        <p className="text-[13px] font-medium">Try it</p>
        <CopyLine text={example} label="Copy usage example" onCopied={onSaved} />
        <div>
          <Button
            variant="primary"
            onClick={() => {
              if (isSaved) onKeep(false);
              else setAsking(true);
            }}
          >
            Done
          </Button>
        </div>
        {isAsking && (
          <DiscardDialog
            question={unsavedKeyQuestion}
            onStay={() => setAsking(false)}
            onDiscard={() => {
              onSaved();
              onKeep(false);
            }}
          />
        )}
      </div>
    );
  }
  return (
    <Form label="Generate an API key" {...form.props}>
      <TextField
        label="Key name"
        {...form.field("name")}
        hint={`All of your permissions in ${organization.slug}, for 90 days. Other scopes are under API Keys.`}
      />
      <SubmitButton className="self-start">Generate Key</SubmitButton>
    </Form>
  );
}
