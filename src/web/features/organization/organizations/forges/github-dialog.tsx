import type { ReactElement } from "react";
import { api } from "../../../../api/api-calls.js";
import { client } from "../../../../api/client.js";
import { useForm } from "../../../../forms/use-form.js";
import { Button } from "../../../../ui/actions/button.js";
import { TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { RadioList } from "../../../../ui/fields/radio.js";
import { Dialog, DialogActions } from "../../../../ui/overlays/dialog.js";

const GITHUB = "https://github.com";

interface Values {
  owner: "me" | "organization";
  account: string;
  url: string;
}

const blank: Values = { owner: "me", account: "", url: GITHUB };

/** Connects GitHub by an App that the person makes and installs there. */
export function GithubDialog({
  orgId,
  onClose,
}: {
  orgId: string;
  onClose: () => void;
}): ReactElement {
  const form = useForm({
    endpoint: api.githubApps.manifest,
    saved: blank,
    toBody: ({ owner, account, url }) => ({
      url: url.trim(),
      ...(owner === "organization" && { account: account.trim() }),
    }),
    run: (body, headers) =>
      client.githubApps.manifest({ params: { org_id: orgId }, body }, { headers }),
    isGuarded: false,
    onDone: ({ url, manifest }) => postForm(url, { manifest }),
  });
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title="Connect GitHub"
      description="GitHub makes an App for this organization and asks which repositories it may reach. Its key comes back by itself and is stored encrypted."
    >
      <Form label="GitHub" {...form.props}>
        <RadioList
          legend="Owner of the app"
          value={form.values.owner}
          onChange={(owner) => form.set({ owner })}
          options={[
            { value: "me", label: "My account on GitHub" },
            {
              value: "organization",
              label: "An organization on GitHub",
              children: (
                <TextField
                  label="Name on GitHub"
                  placeholder="acme"
                  autoCapitalize="none"
                  spellCheck={false}
                  {...form.field("account")}
                />
              ),
            },
          ]}
        />
        <TextField
          label="Address"
          type="url"
          hint="Change it for GitHub Enterprise Server."
          {...form.field("url")}
        />
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <SubmitButton>Continue to GitHub</SubmitButton>
        </DialogActions>
      </Form>
    </Dialog>
  );
}

/** Leaves the page by a form. */
function postForm(url: string, fields: Readonly<Record<string, string>>): void {
  const form = document.createElement("form");
  form.method = "post";
  form.action = url;
  for (const [name, value] of Object.entries(fields)) {
    const input = document.createElement("input");
    Object.assign(input, { type: "hidden", name, value });
    form.append(input);
  }
  document.body.append(form);
  form.submit();
}
