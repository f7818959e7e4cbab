import type { ReactElement, ReactNode } from "react";
import type { CredentialInput } from "#shared/api/code/projects.js";
import { TextArea, TextField } from "../../../../ui/fields/field.js";
import { RadioList } from "../../../../ui/fields/radio.js";

/** Credentials for a private repository, as entered. */
export interface CredentialValues {
  username: string;
  token: string;
  key: "generated" | "own";
  private_key: string;
}

export const blankCredential: CredentialValues = {
  username: "",
  token: "",
  key: "generated",
  private_key: "",
};

/** Whether a URL uses SSH, in git's or scp's notation. */
export function isSsh(url: string): boolean {
  return /^ssh:/i.test(url.trim()) || /^[\w.-]+@[\w.-]+:(?!\/\/)/.test(url.trim());
}

/** Returns the credential in the API's format. */
export function credentialOf(url: string, values: CredentialValues): CredentialInput {
  if (isSsh(url)) {
    return values.key === "own"
      ? { kind: "ssh_key", private_key: values.private_key }
      : { kind: "ssh_key" };
  }
  const username = values.username.trim();
  return {
    kind: "https_token",
    token: values.token.trim(),
    ...(username === "" ? {} : { username }),
  };
}

interface CredentialFieldsProps {
  url: string;
  values: CredentialValues;
  onChange: (change: Partial<CredentialValues>) => void;
  errors: { username?: string | undefined; token?: string | undefined; key?: string | undefined };
}

/** A user name and a token for HTTPS; for SSH a key, generated or pasted. */
export function CredentialFields({
  url,
  values,
  onChange,
  errors,
}: CredentialFieldsProps): ReactNode {
  return isSsh(url) ? (
    <KeyFields values={values} onChange={onChange} error={errors.key} />
  ) : (
    <div className="flex flex-col gap-3">
      <TextField
        label="Access token"
        name="token"
        type="password"
        autoComplete="off"
        value={values.token}
        onChange={(token) => onChange({ token })}
        error={errors.token}
        hint="One that may read the repository, and write it to push. Stored encrypted; never shown again."
      />
      <TextField
        label="User name"
        name="username"
        optional
        autoComplete="off"
        value={values.username}
        onChange={(username) => onChange({ username })}
        error={errors.username}
        hint="Most hosts need only the token."
      />
    </div>
  );
}

function KeyFields({
  values,
  onChange,
  error,
}: Pick<CredentialFieldsProps, "values" | "onChange"> & {
  error: string | undefined;
}): ReactElement {
  return (
    <RadioList
      legend="SSH key"
      value={values.key}
      onChange={(key) => onChange({ key })}
      options={[
        {
          value: "generated",
          label: "Make a new key here",
          hint: "Its public half is shown next, to be added to the repository as a deploy key.",
        },
        {
          value: "own",
          label: "Use a private key I have",
          children: (
            <TextArea
              label="Private key"
              name="private_key"
              rows={4}
              value={values.private_key}
              onChange={(private_key) => onChange({ private_key })}
              error={error}
              hint="Without a passphrase. Stored encrypted; never shown again."
            />
          ),
        },
      ]}
    />
  );
}
