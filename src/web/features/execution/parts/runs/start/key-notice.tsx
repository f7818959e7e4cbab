import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { Agent } from "#shared/api/work/agents.js";
import type { Preset } from "#shared/api/execution/presets.js";
import { useDenyReason } from "../../../../../access/permissions.js";
import { checkingReason } from "../../../../../access/deny-reason.js";
import { secretsQuery } from "../../../../../api/queries/execution/secrets.js";
import { Alert } from "../../../../../ui/feedback/alert.js";

export interface KeyNoticeProps {
  agent: Pick<Agent, "organization_id" | "project_id">;
  preset: Preset;
}

/** The stored model keys of a project and its organization, as far as viewers can see them. */
interface ModelKeys {
  /** Whether that is still loading. */
  isPending: boolean;
  /** Whether the key of a preset is missing; false if viewers cannot see it. The server decides about the start. */
  lacks: (preset: Preset) => boolean;
}

export function useModelKeys(agent: KeyNoticeProps["agent"]): ModelKeys {
  const { organization_id: orgId, project_id: projectId } = agent;
  const reason = useDenyReason(orgId)("org:secrets:read");
  const enabled = reason === undefined;
  const ofOrganization = useQuery({ ...secretsQuery({ orgId, projectId: null }), enabled });
  const ofProject = useQuery({ ...secretsQuery({ orgId, projectId }), enabled });
  const secrets = ofOrganization.data &&
    ofProject.data && [...ofOrganization.data, ...ofProject.data];
  return {
    isPending: reason === checkingReason || ofOrganization.isLoading || ofProject.isLoading,
    lacks: (preset) =>
      enabled &&
      preset.secret !== null &&
      secrets !== undefined &&
      !secrets.some(({ name, kind }) => kind === "model" || name === preset.secret),
  };
}

/** Names the secret that a preset needs, if viewers can see that it is missing. */
export function KeyNotice({ agent, preset }: KeyNoticeProps): ReactElement | null {
  return useModelKeys(agent).lacks(preset) ? (
    <Alert tone="info">
      {preset.title} needs a key of its model provider. Add the secret {preset.secret} to the
      project or the organization, under Settings.
    </Alert>
  ) : null;
}
