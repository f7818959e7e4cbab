import { type ReactElement, useMemo } from "react";
import { encode } from "uqr";
import { api } from "../../../api/api-calls.js";
import { client } from "../../../api/client.js";
import { useForm } from "../../../forms/use-form.js";
import { Button } from "../../../ui/actions/button.js";
import { CopyLine } from "../../../ui/feedback/copy-button.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { secondFactorQuery } from "../../../api/queries/identity/sign-in-queries.js";

/** Shows the secret as a QR code and text, and verifies the first code. */
export function TotpSetup({
  setup,
  onCancel,
  onConfirmed,
}: {
  setup: { secret: string; uri: string };
  onCancel: () => void;
  onConfirmed: (recoveryCodes: string[] | null) => void;
}): ReactElement {
  const form = useForm({
    endpoint: api.secondFactor.confirmTotp,
    saved: { code: "" },
    toBody: (values) => values,
    run: (body) => client.secondFactor.confirmTotp({ body }),
    fieldOf: { invalid_code: "code" },
    isGuarded: false,
    refresh: [secondFactorQuery.queryKey],
    successMessage: () => "Authenticator app switched on",
    onDone: ({ recovery_codes }) => onConfirmed(recovery_codes),
  });
  return (
    <div className="flex flex-col gap-5">
      <p>
        Scan this with an authenticator app such as Aegis, 2FAS, 1Password or Google Authenticator,
        or type the secret into it.
      </p>
      <div className="flex flex-wrap items-center gap-5">
        <QrCode text={setup.uri} />
        <div className="flex min-w-56 flex-1 flex-col gap-1.5">
          <h3 className="text-[13px] font-medium">Secret</h3>
          <CopyLine text={groupCharacters(setup.secret)} label="Copy secret" />
          <p className="text-[13px] text-muted">By time, six digits, SHA-1: what apps expect.</p>
        </div>
      </div>
      <Form label="First code" {...form.props}>
        <TextField
          label="Code that the app shows"
          autoComplete="one-time-code"
          inputMode="numeric"
          placeholder="123456"
          // oxlint-disable-next-line jsx-a11y/no-autofocus -- the step after scanning
          autoFocus
          {...form.field("code")}
          className="max-w-40 font-mono"
        />
        <div className="flex flex-wrap gap-2">
          <SubmitButton>Switch on</SubmitButton>
          <Button onClick={onCancel}>Cancel</Button>
        </div>
      </Form>
    </div>
  );
}

/** Splits the secret into groups of four for typing; apps ignore the spaces. */
function groupCharacters(secret: string): string {
  return secret.replaceAll(/(.{4})(?=.)/g, "$1 ");
}

/** Black on white in dark mode too: scanners expect that. */
function QrCode({ text }: { text: string }): ReactElement {
  const { size, path } = useMemo(() => {
    const { size, data } = encode(text, { border: 3, boostEcc: false });
    const squares = data.flatMap((row, y) =>
      row.map((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : "")),
    );
    return { size, path: squares.join("") };
  }, [text]);
  return (
    <svg
      role="img"
      aria-label="QR code of the secret"
      viewBox={`0 0 ${size} ${size}`}
      className="size-44 shrink-0 rounded-md border border-line"
      shapeRendering="crispEdges"
    >
      <path fill="#fff" d={`M0 0h${size}v${size}H0z`} />
      <path fill="#000" d={path} />
    </svg>
  );
}
