import { ClusterError, type ClusterErrorKind } from "./cluster-api.js";

const KINDS: Readonly<Record<number, ClusterErrorKind>> = {
  400: "invalid",
  401: "forbidden",
  403: "forbidden",
  404: "not found",
  409: "conflict",
  422: "invalid",
};

/** Returns the error of a failed call as a sentence. */
export function classifyError(error: unknown): ClusterError {
  if (error instanceof ClusterError) return error;
  const { code, body } = error as { code?: unknown; body?: unknown };
  if (typeof code !== "number") {
    return new ClusterError(
      "unreachable",
      `The cluster cannot be reached: ${shortened(reasonOf(error))}.`,
      error,
    );
  }
  const { message, reason } = statusOf(body);
  const kind = kindOf(code, message ?? "", reason);
  const said = message === null ? `status ${code}` : shortened(message);
  switch (kind) {
    case "forbidden":
      return new ClusterError(kind, `The cluster forbids it: ${said}.`, error);
    case "denied":
      return new ClusterError(kind, `The cluster does not allow it: ${said}.`, error);
    case "exists":
      return new ClusterError(kind, `The cluster has it already: ${said}.`, error);
    case "conflict":
      return new ClusterError(kind, `It was changed in the cluster meanwhile: ${said}.`, error);
    case "not found":
      return new ClusterError(kind, `The cluster does not have it: ${said}.`, error);
    case "invalid":
      return new ClusterError(kind, `The cluster refuses it: ${said}.`, error);
    case "broken":
    case "unreachable":
      return new ClusterError(kind, `The cluster does not work: ${said}.`, error);
  }
}

/** Admission plugins and webhooks refuse an object by status 403, like a missing right. */
const DENIED = /denied (?:the )?request|ValidatingAdmissionPolicy|violates PodSecurity/;

function kindOf(code: number, message: string, reason: string | null): ClusterErrorKind {
  if (code === 409 && reason === "AlreadyExists") return "exists";
  if (code === 403 && DENIED.test(message)) return "denied";
  // Status 2xx and 3xx: an answer of something else.
  return KINDS[code] ?? (code >= 500 ? "broken" : "unreachable");
}

/** Returns message and reason of a `Status`, which the client leaves as text or parses. */
function statusOf(body: unknown): { message: string | null; reason: string | null } {
  let status = body;
  if (typeof body === "string") {
    try {
      status = JSON.parse(body);
    } catch {
      return { message: null, reason: null };
    }
  }
  const { message, reason } = (status ?? {}) as { message?: unknown; reason?: unknown };
  return {
    message: typeof message === "string" && message !== "" ? message : null,
    reason: typeof reason === "string" ? reason : null,
  };
}

function reasonOf(error: unknown): string {
  const { code, message, cause } = error as { code?: string; message?: string; cause?: Error };
  if (code === "ABORT_ERR" || (error as Error).name === "AbortError") return "no answer in time";
  if (message) return message;
  return cause?.message ?? code ?? "no connection";
}

const MAX_LENGTH = 300;

/** Returns a message of the cluster on one line, of limited length and without its final period. */
export function shortened(message: string): string {
  const line = message
    .slice(0, 4 * MAX_LENGTH)
    // oxlint-disable-next-line no-control-regex
    .replaceAll(/[\u0000-\u0020\u007f-\u009f]+/g, " ")
    .trim()
    .replace(/\.+$/, "");
  return line.length <= MAX_LENGTH ? line : `${line.slice(0, MAX_LENGTH - 1).trimEnd()}…`;
}
