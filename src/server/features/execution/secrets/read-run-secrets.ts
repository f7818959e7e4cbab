import type { Queryable } from "../../../db/connection/connect.js";
import { AppError } from "../../../errors.js";
import { decryptValue } from "./secret-value.js";
import { listOfRuns } from "./secrets.queries.js";

/** The secrets of a project's runs: its own and its organization's. */
export interface RunSecrets {
  /** Values by name; the project's replace the organization's. */
  variables: Record<string, string>;
  /** The providers of models whose keys the gateway adds to the calls of the run. */
  providers: string[];
}

/**
 * Reads the secrets of a project's runs.
 * @param secret the installation's secret
 * @throws AppError 503 when a value cannot be decrypted
 */
export async function readRunSecrets(
  secret: string,
  tx: Queryable,
  orgId: string,
  projectId: string,
): Promise<RunSecrets> {
  const variables: Record<string, string> = {};
  const providers = new Set<string>();
  for (const { provider, ...stored } of await listOfRuns(tx, orgId, projectId)) {
    if (provider !== null) {
      providers.add(provider);
      continue;
    }
    const { name, sealed } = stored;
    const value = decryptValue(secret, stored, sealed);
    if (value === null) {
      throw new AppError(
        "unavailable",
        `The secret ${name} was encrypted with another OMOI_SECRET; set it again.`,
      );
    }
    variables[name] = value;
  }
  return { variables, providers: [...providers] };
}
