import type { ReactElement } from "react";
import type { Forge, ForgeKind, ForgeWithWebhook } from "#shared/api/work/forges.js";
import { api } from "../../../../api/api-calls.js";
import { client } from "../../../../api/client.js";
import { editOptions } from "../../../../api/incoming.js";
import { forgesKey, readForge } from "../../../../api/queries/work/forges.js";
import { type FormState, useForm } from "../../../../forms/use-form.js";
import { Button } from "../../../../ui/actions/button.js";
import { TextArea, TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { SelectField } from "../../../../ui/fields/select.js";
import { RadioList } from "../../../../ui/fields/radio.js";
import { Dialog, DialogActions } from "../../../../ui/overlays/dialog.js";

export const forgeTitles: Record<ForgeKind, string> = {
  github: "GitHub",
  gitlab: "GitLab",
  gitea: "Gitea or Forgejo",
};

const addresses: Record<ForgeKind, string> = {
  github: "https://github.com",
  gitlab: "https://gitlab.com",
  gitea: "",
};

interface Oauth {
  client_id: string;
  client_secret: string;
}

interface Credential extends Oauth {
  auth: "token" | "app";
  token: string;
  app_id: string;
  private_key: string;
  installation_id: string;
}

interface Values extends Credential {
  kind: ForgeKind;
  url: string;
  name: string;
  /** Empty lets the server choose. */
  delivery: string;
}

const noCredential = {
  token: "",
  app_id: "",
  private_key: "",
  installation_id: "",
  client_id: "",
  client_secret: "",
};

const oauthOf = ({ client_id, client_secret }: Oauth) => ({
  oauth: { client_id: client_id.trim(), client_secret: client_secret.trim() },
});

function credentialOf({ auth, token, app_id, private_key, installation_id }: Credential) {
  return auth === "token"
    ? { token: token.trim() }
    : {
        app: {
          app_id: app_id.trim(),
          private_key,
          installation_id: installation_id.trim(),
        },
      };
}

function deliveryOf({ delivery }: Pick<Values, "delivery">): { delivery?: Forge["delivery"] } {
  return delivery === "webhook" || delivery === "polling" ? { delivery } : {};
}

interface DialogProps {
  orgId: string;
  onClose: () => void;
}

export function NewForgeDialog({
  orgId,
  onClose,
  onWebhook,
}: DialogProps & { onWebhook: (webhook: Webhook) => void }): ReactElement {
  const saved: Values = {
    kind: "github",
    url: addresses.github,
    name: "",
    delivery: "",
    auth: "token",
    ...noCredential,
  };
  const form = useForm({
    endpoint: api.forges.create,
    saved,
    toBody: (values) => ({
      kind: values.kind,
      url: values.url.trim(),
      ...(values.name.trim() !== "" && { name: values.name.trim() }),
      ...deliveryOf(values),
      ...credentialOf(values.kind === "github" ? values : { ...values, auth: "token" }),
      ...(values.kind !== "github" && values.client_id !== "" && oauthOf(values)),
    }),
    run: (body, headers) => client.forges.create({ params: { org_id: orgId }, body }, { headers }),
    refresh: [forgesKey(orgId)],
    successMessage: ({ account }) => `Connected as ${account}`,
    onDone: ({ webhook }) => {
      onClose();
      if (webhook !== null) onWebhook(webhook);
    },
  });
  const { kind, url } = form.values;
  const isUsual = Object.values(addresses).includes(url);
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="wide"
      title="Connect forge"
      description="The credential is tried on the forge before it is stored, and never shown again."
    >
      <Form label="Forge" {...form.props}>
        <RadioList
          legend="Kind"
          value={kind}
          onChange={(next) => form.set({ kind: next, ...(isUsual && { url: addresses[next] }) })}
          options={Object.entries(forgeTitles).map(([value, label]) => ({
            value: value as ForgeKind,
            label,
          }))}
        />
        <TextField
          label="Address"
          type="url"
          placeholder="https://git.example.com"
          {...form.field("url")}
        />
        <TextField
          label="Name"
          optional
          hint="By default the host of the address."
          {...form.field("name")}
        />
        {kind === "github" ? (
          <RadioList
            legend="Sign in"
            value={form.values.auth}
            onChange={(auth) => form.set({ auth })}
            options={[
              { value: "token", label: "By a token", children: <Token form={form} kind={kind} /> },
              {
                value: "app",
                label: "As a GitHub App that exists",
                hint: "Git gets a token for one repository and one hour.",
                children: <App form={form} />,
              },
            ]}
          />
        ) : (
          <>
            <Token form={form} kind={kind} />
            <OauthFields form={form} />
          </>
        )}
        <DeliveryField field={form.field("delivery")} isNew />
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <SubmitButton>Connect forge</SubmitButton>
        </DialogActions>
      </Form>
    </Dialog>
  );
}

export function EditForgeDialog({
  orgId,
  forge,
  onClose,
}: DialogProps & { forge: Forge }): ReactElement {
  const form = useForm({
    endpoint: api.forges.update,
    ...editOptions(
      forge,
      () => readForge(orgId, forge.id),
      ({ name, auth, delivery }): Credential & Pick<Values, "name" | "delivery"> => ({
        name,
        auth,
        delivery,
        ...noCredential,
        client_id: forge.kind === "github" ? "" : (forge.oauth_client_id ?? ""),
      }),
    ),
    toBody: (values, changed) => ({
      ...(changed.has("name") && { name: values.name.trim() }),
      ...(changed.has("delivery") && deliveryOf(values)),
      ...((values.token !== "" || values.private_key !== "") && credentialOf(values)),
      ...((changed.has("client_id") || values.client_secret !== "") &&
        (values.client_id.trim() === "" ? { oauth: null } : oauthOf(values))),
    }),
    run: (body, headers) =>
      client.forges.update({ params: { org_id: orgId, forge_id: forge.id }, body }, { headers }),
    refresh: [forgesKey(orgId)],
    successMessage: () => "The connection is changed",
    onDone: onClose,
  });
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="wide"
      title="Edit connection"
      description="Without a new credential, the stored one stays."
    >
      <Form label="Forge" {...form.props}>
        <TextField label="Name" {...form.field("name")} />
        {forge.kind === "github" && form.values.auth === "app" ? (
          <App form={form} />
        ) : (
          <Token form={form} kind={forge.kind} />
        )}
        {forge.kind !== "github" && <OauthFields form={form} />}
        <DeliveryField field={form.field("delivery")} />
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <SubmitButton>Save</SubmitButton>
        </DialogActions>
      </Form>
    </Dialog>
  );
}

export type Webhook = NonNullable<ForgeWithWebhook["webhook"]>;

/** How events come in. A new connection can leave it to the server. */
function DeliveryField({
  field,
  isNew = false,
}: {
  field: { value: string; onChange: (value: string) => void };
  isNew?: boolean;
}): ReactElement {
  return (
    <SelectField
      label="Events"
      hint="Webhooks need an address that the forge reaches. Asking needs no open port."
      options={[
        ...(isNew ? [{ value: "", label: "Webhooks if the address is public" }] : []),
        { value: "webhook", label: "The forge sends them" },
        { value: "polling", label: "Omoi asks every 30 s" },
      ]}
      {...field}
    />
  );
}

const tokenHints: Record<ForgeKind, string> = {
  github: "A fine-grained token that may read and write contents and pull requests.",
  gitlab: "A token with the scope api.",
  gitea: "A token that may read and write repositories and issues, and read the user.",
};

function Token<Form extends Credential>({
  form,
  kind,
}: {
  form: FormState<Form>;
  kind: ForgeKind;
}): ReactElement {
  return (
    <TextField
      label="Token"
      type="password"
      autoComplete="off"
      hint={tokenHints[kind]}
      {...form.field("token")}
    />
  );
}

/** The application of the forge by which members link their accounts in the browser. */
function OauthFields<Form extends Credential>({ form }: { form: FormState<Form> }): ReactElement {
  return (
    <>
      <TextField
        label="OAuth application ID"
        optional
        autoComplete="off"
        hint={`Members then link their accounts in the browser. Its redirect address is ${location.origin}/api/v1/forges/oauth/callback.`}
        {...form.field("client_id")}
        error={form.errorOf("oauth.client_id", "oauth")}
      />
      <TextField
        label="OAuth application secret"
        optional
        type="password"
        autoComplete="off"
        {...form.field("client_secret")}
        error={form.errorOf("oauth.client_secret")}
      />
    </>
  );
}

function App<Form extends Credential>({ form }: { form: FormState<Form> }): ReactElement {
  const errorOf = (field: string) => form.errorOf(`app.${field}`);
  return (
    <div className="flex flex-col gap-4">
      <TextField
        label="App ID"
        inputMode="numeric"
        {...form.field("app_id")}
        error={errorOf("app_id")}
      />
      <TextField
        label="Installation ID"
        inputMode="numeric"
        hint="The number at the end of the address of the installation's page."
        {...form.field("installation_id")}
        error={errorOf("installation_id")}
      />
      <TextArea
        label="Private key"
        rows={4}
        autoComplete="off"
        className="font-mono text-[13px]"
        {...form.field("private_key")}
        error={errorOf("private_key")}
      />
    </div>
  );
}
