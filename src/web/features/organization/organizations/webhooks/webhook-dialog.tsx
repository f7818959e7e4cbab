import type { ReactElement } from "react";
import type { Webhook } from "#shared/api/operation/webhooks.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { api } from "../../../../api/api-calls.js";
import { client } from "../../../../api/client.js";
import { editOptions } from "../../../../api/incoming.js";
import { readWebhook, webhooksKey } from "../../../../api/queries/operation/webhooks.js";
import { type FormState, useForm } from "../../../../forms/use-form.js";
import { Button } from "../../../../ui/actions/button.js";
import { TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { RadioList } from "../../../../ui/fields/radio.js";
import { Dialog, DialogActions } from "../../../../ui/overlays/dialog.js";
import { EventPicker } from "./event-picker.js";

interface WebhookDialogProps {
  orgId: string;
  refusal: DenyReason;
  onClose: () => void;
}

interface Values {
  url: string;
  description: string;
  which: "all" | "some";
  events: string[];
}

const defaults: Values = { url: "", description: "", which: "all", events: [] };

const savedOf = ({ url, description, events }: Webhook): Values => {
  const isAll = events.includes("*");
  return {
    url,
    description: description ?? "",
    which: isAll ? "all" : "some",
    events: isAll ? [] : events,
  };
};

const bodyOf = ({ url, description, which, events }: Values) => ({
  url: url.trim(),
  description: description.trim() === "" ? null : description.trim(),
  events: which === "all" ? ["*"] : events,
});

/** Creates a webhook, and hands its secret over to be shown once. */
export function NewWebhookDialog({
  orgId,
  refusal,
  onClose,
  onCreated,
}: WebhookDialogProps & { onCreated: (webhook: Webhook, secret: string) => void }): ReactElement {
  const form = useForm({
    endpoint: api.webhooks.create,
    saved: defaults,
    toBody: bodyOf,
    run: async (body, headers) => {
      const { data, status } = await client.webhooks.create(
        { params: { org_id: orgId }, body },
        { headers },
      );
      return { data, status };
    },
    refresh: [webhooksKey(orgId)],
    onDone: ({ secret, ...webhook }) => {
      onClose();
      if (secret !== null) onCreated(webhook, secret);
    },
  });
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="wide"
      title="New webhook"
      description="Sends events of this organization to your server, signed by Standard Webhooks."
    >
      <Form label="Webhook" {...form.props}>
        <Fields form={form} refusal={refusal} />
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <SubmitButton>Create webhook</SubmitButton>
        </DialogActions>
      </Form>
    </Dialog>
  );
}

export function EditWebhookDialog({
  orgId,
  webhook,
  refusal,
  onClose,
}: WebhookDialogProps & { webhook: Webhook }): ReactElement {
  const form = useForm({
    endpoint: api.webhooks.update,
    ...editOptions(webhook, () => readWebhook(orgId, webhook.id), savedOf),
    toBody: (values, changed) => {
      const { url, description, events } = bodyOf(values);
      return {
        ...(changed.has("url") && { url }),
        ...(changed.has("description") && { description }),
        ...((changed.has("events") || changed.has("which")) && { events }),
      };
    },
    run: (body, headers) =>
      client.webhooks.update(
        { params: { org_id: orgId, webhook_id: webhook.id }, body },
        { headers },
      ),
    refresh: [webhooksKey(orgId)],
    successMessage: () => "The webhook is changed",
    onDone: onClose,
  });
  return (
    <Dialog isOpen onClose={onClose} width="wide" title="Edit webhook">
      <Form label="Webhook" {...form.props}>
        <Fields form={form} refusal={refusal} />
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <SubmitButton>Save</SubmitButton>
        </DialogActions>
      </Form>
    </Dialog>
  );
}

function Fields({ form, refusal }: { form: FormState<Values>; refusal: DenyReason }): ReactElement {
  const { which, events } = form.values;
  return (
    <>
      <TextField
        label="URL"
        {...form.field("url")}
        inputMode="url"
        autoCapitalize="none"
        spellCheck={false}
        placeholder="https://example.com/omoi"
        hint="Gets a POST for each event and answers with a 2xx status within 10 seconds."
      />
      <TextField label="Description" optional {...form.field("description")} />
      <RadioList
        legend="Which events"
        value={which}
        onChange={(next) => form.set({ which: next })}
        options={[
          { value: "all", label: "All events", hint: "Includes those of later versions." },
          { value: "some", label: "Chosen events" },
        ]}
      />
      {which === "some" && (
        <EventPicker
          value={events}
          onChange={(next) => form.set({ events: next })}
          error={form.field("events").error}
          refusal={refusal}
        />
      )}
    </>
  );
}
