import { ClusterError, type ClusterErrorKind } from "./cluster-api.js";
import { shortened } from "../shortened.js";

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
  const kind = KINDS[code] ?? "unreachable";
  const message = messageOf(body);
  const said = message === null ? `status ${code}` : shortened(message);
  switch (kind) {
    case "forbidden":
      return new ClusterError(kind, `The cluster forbids it: ${said}.`, error);
    case "conflict":
      return new ClusterError(kind, `The cluster has it already: ${said}.`, error);
    case "not found":
      return new ClusterError(kind, `The cluster does not have it: ${said}.`, error);
    case "invalid":
      return new ClusterError(kind, `The cluster refuses it: ${said}.`, error);
    case "unreachable":
      return new ClusterError(kind, `The cluster does not work: ${said}.`, error);
  }
}

/** Returns the message of a `Status`, which the client leaves as text or parses. */
function messageOf(body: unknown): string | null {
  let status = body;
  if (typeof body === "string") {
    try {
      status = JSON.parse(body);
    } catch {
      return null;
    }
  }
  const message = (status as { message?: unknown } | null)?.message;
  return typeof message === "string" && message !== "" ? message : null;
}

function reasonOf(error: unknown): string {
  const { code, message, cause } = error as { code?: string; message?: string; cause?: Error };
  if (code === "ABORT_ERR" || (error as Error).name === "AbortError") return "no answer in time";
  if (message) return message;
  return cause?.message ?? code ?? "no connection";
}
