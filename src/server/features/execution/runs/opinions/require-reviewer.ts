import type { ReviewerName } from "#shared/execution/run-choices.js";
import { presetTitles } from "#shared/execution/run-choices.js";
import { definitionOf } from "#execution/presets/presets.js";
import type { PresetDefinition } from "#execution/presets/preset.js";
import { AppError } from "../../../../errors.js";
import { readRunSecrets } from "../../secrets/index.js";
import { requireAllowedModel } from "../presets/resolve-preset.js";
import type { RunDeps } from "../run-deps.js";
import { findDefaults } from "../runs.queries.js";
import { requireSandbox, sandboxFor } from "../start-run.js";

interface Reviewer {
  org_id: string;
  project_id: string;
  /** The agent whose work is reviewed. */
  agent_id: string;
  preset: ReviewerName;
  model: string | null;
}

/**
 * Refuses a reviewer that is certain to fail, and returns its program with the providers of its models. It reaches
 * them by the gateway alone, so that a key in a variable is of no use to it.
 * @throws AppError 409 `sandbox_unavailable`, `network_not_isolated`, `program_missing`, `missing_model_key`; 422 for a
 * model that the organization does not allow
 */
export async function requireReviewer(
  deps: RunDeps,
  { org_id, project_id, agent_id, preset, model }: Reviewer,
): Promise<{ definition: PresetDefinition; providers: string[] }> {
  requireSandbox(deps);
  sandboxFor(deps, { isDocker: false }, "restricted");
  const definition = definitionOf(preset);
  if (definition === undefined) throw new Error(`${preset} has no program`);
  const { allowed_models, providers } = await deps.db.read(org_id, async (tx) => ({
    ...(await findDefaults(tx, agent_id)),
    ...(await readRunSecrets(deps.settings.secret, tx, org_id, project_id)),
  }));
  requireAllowedModel(model ?? undefined, allowed_models);
  // Without an answer, the run itself tells why it fails.
  const found = await deps.findPrograms().catch(() => null);
  const state = found?.get(definition.program);
  if (state?.isMissing === true) {
    const { install } = definition;
    throw new AppError(
      "program_missing",
      `${state.reason} Install it on the server's machine: ${install}`,
      { install },
    );
  }
  // The model of OpenCode names its provider.
  const needed = definition.provider ?? (model?.includes("/") ? model.split("/", 1)[0] : undefined);
  const hasKey = needed === undefined ? providers.length > 0 : providers.includes(needed);
  if (!hasKey) {
    const { secret } = definition.key;
    throw new AppError(
      "missing_model_key",
      `${presetTitles[preset]} reaches its model by the gateway alone: add a secret of the kind model for ${needed ?? "its provider"} to the project or the organization.`,
      { secret },
    );
  }
  return { definition, providers };
}
