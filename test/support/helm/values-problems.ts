import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

/** A part of the schema of the chart's values. */
export interface ValueSchema {
  type?: string | string[];
  description?: string;
  properties?: Record<string, ValueSchema>;
  additionalProperties?: boolean | ValueSchema;
  items?: ValueSchema;
}

export const valuesSchema = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../../deploy/helm/omoi/values.schema.json"), "utf8"),
) as ValueSchema;

const parser = z.fromJSONSchema(valuesSchema as Parameters<typeof z.fromJSONSchema>[0]);

/** Returns the reasons for which Helm refuses values, each with its path. */
export function valuesProblems(values: unknown): string[] {
  const { error } = parser.safeParse(values);
  // The messages of zod are those of the API once its calls are loaded.
  return (error?.issues ?? []).map((issue) => {
    const what =
      issue.code === "unrecognized_keys" ? `unknown ${issue.keys.join()}` : issue.message;
    return `${issue.path.join(".")}: ${what}`;
  });
}
