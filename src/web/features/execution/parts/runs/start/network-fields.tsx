import type { ReactElement } from "react";
import type { FormState } from "../../../../../forms/use-form.js";
import { useDenyReason } from "../../../../../access/permissions.js";
import { TextArea } from "../../../../../ui/fields/field.js";
import { RadioList } from "../../../../../ui/fields/radio.js";
import type { Isolation } from "../isolation.js";
import type { RunSource, RunValues } from "../run-values.js";

interface NetworkFieldsProps extends Pick<RunSource, "projectHosts"> {
  orgId: string;
  form: Pick<FormState<NetworkValues>, "values" | "set" | "field" | "errorOf">;
  /** Undefined while unknown. */
  isolation: Isolation | undefined;
  /** The networks that a run in the cluster can have; undefined elsewhere. */
  networks: readonly RunValues["network"][] | undefined;
}

type NetworkValues = Pick<RunValues, "network" | "hosts">;

const notInCluster = "The cluster gives no run this network.";

/** Returns why the network cannot be restricted here. */
export function restrictionProblem({ restricted_network }: Isolation): string | undefined {
  return restricted_network.isolated ? undefined : `${restricted_network.reason}.`;
}

export function NetworkFields({
  orgId,
  form,
  isolation,
  networks,
  projectHosts,
}: NetworkFieldsProps): ReactElement {
  const { values } = form;
  const refusal = useDenyReason(orgId);
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
              disabledReason:
                networks?.includes("restricted") === false
                  ? notInCluster
                  : isolation && restrictionProblem(isolation),
            },
            {
              value: "full",
              label: "Full",
              hint: "Access to other machines, such as package registries and models, and to this server.",
              disabledReason:
                networks?.includes("full") === false
                  ? notInCluster
                  : isolation?.full_network.isolated === false
                    ? `${isolation.full_network.reason}.`
                    : refusal("agent:network:full"),
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
          hint={`One host per line, for example registry.npmjs.org, *.example.com or git.example.com:8443. Without a port: 443 and 80.${
            projectHosts === null ? "" : ` ${limitText(projectHosts)}`
          }`}
        />
      )}
    </>
  );
}

function limitText(projectHosts: readonly string[]): string {
  return projectHosts.length === 0
    ? "The project's environment allows none, so leave it empty: this server can be reached."
    : "A run may list fewer hosts than the project's environment, and no others.";
}
