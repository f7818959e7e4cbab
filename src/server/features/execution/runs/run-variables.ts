/** The environment of a run, and the masker of its values. */
import type { NewEnvironment } from "#shared/api/execution/environments.js";
import { invalidField } from "../../../errors.js";
import { purposes, encrypt } from "../../../encrypt.js";
import { findEnvironment } from "../environments/index.js";
import { readRunSecrets, type RunSecrets } from "../secrets/index.js";
import { createMasker, UnmaskableError, type Masker } from "#execution/logs/mask-secrets.js";
import type * as managed from "./managed-runs.queries.js";
import { isUntrustedAgent } from "./runs.queries.js";
import { definitionOf } from "#execution/presets/presets.js";
import { requireHosts } from "./presets/resolve-preset.js";
import type { RunDeps } from "./run-deps.js";

export interface RunVariables {
  secrets: RunSecrets;
  /** The environment of the project with the variables of its setup script; null without a script. */
  setup: NewEnvironment | null;
  masker: Masker;
  /** The values that the masker removes. */
  masked: string[];
}

/**
 * Returns the variables of a run in its workspace by its preset, its project's environment and secrets,
 * and the masker of its output with the values that it masks. The later ones win.
 * @param given variables of the run itself
 * @throws AppError 422 when all are too large to be masked, and for hosts that the project does not allow;
 * 503 when a secret cannot be decrypted
 */
export async function secretsOf(
  deps: Pick<RunDeps, "db" | "settings">,
  run: Pick<managed.AgentRun, "org_id" | "agent_id" | "preset" | "allowed_hosts">,
  projectId: string,
  given: Readonly<Record<string, string>>,
  token: string,
): Promise<RunVariables> {
  const { org_id: orgId, preset } = run;
  const [found, environment, isUntrusted] = await deps.db.read(orgId, async (tx) => [
    await readRunSecrets(deps.settings.secret, tx, orgId, projectId),
    await findEnvironment(tx, projectId),
    await isUntrustedAgent(tx, run.agent_id),
  ]);
  // A text by people from outside must not lead an agent to a secret. Keys of models stay with the gateway.
  const secrets = isUntrusted ? { ...found, variables: {} } : found;
  // Also for a run from the queue: the project may allow less than at its request.
  requireHosts(run.allowed_hosts ?? [], environment?.allowed_hosts ?? null);
  const values = { ...secrets.variables, ...given };
  const masker = maskerFor(deps, values, token);
  const variables = {
    ...definitionOf(preset)?.environment,
    ...environment?.variables,
    ...secrets.variables,
  };
  const setup =
    environment === undefined || environment.setup_script === ""
      ? null
      : { ...environment, variables: { ...environment.variables, ...secrets.variables } };
  return {
    secrets: { ...secrets, variables },
    setup,
    masker,
    masked: [...Object.values(values), token],
  };
}

/**
 * Returns the masker of a run's variables and token.
 * @throws AppError 422 when the environment is too large to be masked
 */
export function maskerFor(
  { settings }: Pick<RunDeps, "settings">,
  env: Readonly<Record<string, string>>,
  token: string | null,
): Masker {
  try {
    const secrets = [...Object.values(env), ...(token === null ? [] : [token])];
    return createMasker(secrets, settings.keyPrefix);
  } catch (error) {
    if (error instanceof UnmaskableError) throw invalidField("env", error.message, "too_large");
    throw error;
  }
}

/** Encrypts the variables of a queued run. Its secrets are read when it starts. */
export function sealEnvironment(
  { secret }: Pick<RunDeps["settings"], "secret">,
  runId: string,
  given: Readonly<Record<string, string>>,
): Buffer {
  const plain = Buffer.from(JSON.stringify(given));
  return encrypt(secret, purposes.runEnvironment, runId, plain);
}
