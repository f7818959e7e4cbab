import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { SelectField } from "../../../ui/fields/select.js";
import { organizationAgentsQuery } from "../../../api/queries/work/agents.js";
import type { DenyReason } from "../../../access/deny-reason.js";

interface ActingAsFieldProps {
  organizationId: string;
  /** The agent's id; null: the user. */
  value: string | null;
  onChange: (agentId: string | null) => void;
  refusal: DenyReason;
  error: string | undefined;
}

/** Whether a key acts as its creator or as one of the organization's agents. */
export function ActingAsField({
  organizationId,
  value,
  onChange,
  refusal,
  error,
}: ActingAsFieldProps): ReactElement {
  const mayMake = refusal("agent:write");
  const { data: agents = [] } = useQuery({
    ...organizationAgentsQuery(organizationId),
    enabled: mayMake === undefined,
  });
  const working = agents.filter(({ status }) => status !== "terminated");
  return (
    <SelectField
      label="Acts as"
      name="agent_id"
      value={value ?? ""}
      options={[
        { value: "", label: "You" },
        ...working.map(({ id, name }) => ({ value: id, label: `The agent ${name}` })),
      ]}
      hint={
        value === null
          ? "You, or an agent that works elsewhere and needs a key of its own."
          : "The key has the permissions of the agent's role: its runs, its workspace and its branch."
      }
      disabledReason={mayMake}
      onChange={(id) => onChange(id === "" ? null : id)}
      error={error}
    />
  );
}
