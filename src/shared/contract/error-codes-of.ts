import type { ErrorCode } from "../errors.js";
import type { Endpoint } from "./endpoint.js";

/** A failure of the server, such as an unreachable database. */
const serverErrors = ["internal", "unavailable", "home_unavailable", "no_space"] as const;
/** Malformed, late or too large headers. */
const headerErrors = ["bad_request", "request_timeout", "headers_too_large"] as const;
/** A body that is too large or no JSON, or that the call does not take. */
const bodyErrors = ["malformed_json", "body_too_large", "unsupported_media_type"] as const;
/** A missing or invalid credential, and the limits of an API key. */
const credentialErrors = [
  "unauthenticated",
  "invalid_token",
  "ip_not_allowed",
  "rate_limited",
] as const;
const idempotencyErrors = ["idempotency_in_flight", "idempotency_mismatch"] as const;
/** An outdated `If-Match`, or a lock of a workspace that is not free in time. */
const conditionalErrors = ["stale", "workspace_busy"] as const;

/** Returns the error codes that follow from a call's method, access, organization and input. */
export function derivedErrorCodes(endpoint: Endpoint): ErrorCode[] {
  const { method, access, tenant, params, query, body, safe, whenArchived, inMaintenance } =
    endpoint;
  const isRead = method === "GET";
  const isPublic = access === "public";
  const needsPermission = !["public", "signed-in", "super-admin"].includes(access);
  return [
    ...serverErrors,
    ...headerErrors,
    ...(isRead ? [] : (["outcome_unknown"] as const)),
    ...(inMaintenance ? [] : (["maintenance"] as const)),
    ...(isRead ? [] : bodyErrors),
    ...(isPublic ? [] : credentialErrors),
    // A write with the session cookie must come from a page of this site.
    ...(isPublic || isRead ? [] : (["cross_origin"] as const)),
    // A run cannot sign in or create an account.
    ...(needsPermission || (isPublic && !safe) ? (["insufficient_permission"] as const) : []),
    ...(needsPermission && tenant !== null && !whenArchived
      ? (["organization_archived"] as const)
      : []),
    ...(params || access === "super-admin" ? (["not_found"] as const) : []),
    ...(query || body ? (["validation_failed"] as const) : []),
    ...(method === "POST" && !isPublic ? idempotencyErrors : []),
    ...(isRead || method === "POST" ? [] : conditionalErrors),
  ];
}

/** Returns all error codes that a call can answer: derived and declared ones. */
export function errorCodesOf(endpoint: Endpoint): ErrorCode[] {
  return [...derivedErrorCodes(endpoint), ...endpoint.errors];
}
