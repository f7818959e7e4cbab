import { AppError } from "../../errors.js";
import type { Queryable } from "../../db/connection/connect.js";
import { decryptValue } from "./secret-value.js";
import { listVariables } from "./secrets.queries.js";

/**
 * Returns the variables of a project's runs: the organization's, and the project's instead of those of
 * the same name.
 * @param secret the installation's secret
 * @throws AppError 503 when a value cannot be decrypted
 */
export async function readVariables(
  secret: string,
  tx: Queryable,
  orgId: string,
  projectId: string,
): Promise<Record<string, string>> {
  const variables: Record<string, string> = {};
  for (const stored of await listVariables(tx, orgId, projectId)) {
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
  return variables;
}
