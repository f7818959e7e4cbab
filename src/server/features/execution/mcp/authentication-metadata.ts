/** The metadata by which clients learn how to authenticate (RFC 9728). */
import { AppError } from "../../../errors.js";

export const METADATA = "/.well-known/oauth-protected-resource";

export function metadataOf(url: string): object {
  return {
    resource: `${url}/mcp`,
    resource_name: "Omoi",
    bearer_methods_supported: ["header"],
    resource_documentation: `${url}/docs/how-to/mcp.md`,
  };
}

/** Says in a 401 where the metadata is (RFC 9728, section 5.1). */
export function withMetadata(error: unknown, url: string): unknown {
  if (!(error instanceof AppError) || error.status !== 401) return error;
  const challenge = error.extra.headers?.["www-authenticate"] ?? "Bearer";
  const separator = challenge === "Bearer" ? " " : ", ";
  return new AppError(error.code, error.message, {
    ...error.extra,
    headers: {
      ...error.extra.headers,
      "www-authenticate": `${challenge}${separator}resource_metadata="${url}${METADATA}"`,
    },
  });
}
