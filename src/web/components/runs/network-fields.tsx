import type { ReactElement } from "react";
import type { FormState } from "../../forms/use-form.js";
import { TextArea } from "../../ui/fields/field.js";
import { RadioList } from "../../ui/fields/radio.js";
import type { Isolation } from "./isolation.js";
import type { RunValues } from "./run-values.js";

interface NetworkFieldsProps {
  form: FormState<RunValues>;
  /** Undefined while unknown. */
  isolation: Isolation | undefined;
}

/** Why the network cannot be restricted here. */
function restrictionProblem({ mode, full_network }: Isolation): string | undefined {
  if (mode === "docker") return "Containers cannot have a restricted network.";
  return full_network.isolated ? undefined : `${full_network.reason}.`;
}

export function NetworkFields({ form, isolation }: NetworkFieldsProps): ReactElement {
  const { values } = form;
  return (
    <>
      {isolation?.mode !== "off" && (
        <RadioList
          legend="Network"
          value={values.network}
          onChange={(network) => form.set({ network })}
          options={[
            { value: "none", label: "None", hint: "No access outside the sandbox." },
            {
              value: "restricted",
              label: "Restricted",
              hint: "Only the hosts that you list, through a proxy, and this server.",
              disabledReason: isolation === undefined ? undefined : restrictionProblem(isolation),
            },
            {
              value: "full",
              label: "Full",
              hint: "Access to other machines, such as package registries and models, and to this server.",
              disabledReason:
                isolation?.full_network.isolated === false
                  ? `${isolation.full_network.reason}.`
                  : undefined,
            },
          ]}
        />
      )}
      {values.network === "restricted" && (
        <TextArea
          label="Allowed hosts"
          rows={3}
          spellCheck={false}
          className="font-mono"
          {...form.field("hosts")}
          error={form.errorOf("allowed_hosts")}
          hint="One host per line, for example registry.npmjs.org, *.example.com or git.example.com:8443. Without a port: 443 and 80."
        />
      )}
    </>
  );
}
