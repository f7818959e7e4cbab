import { Octokit } from "@octokit/core";
import { paginateRest } from "@octokit/plugin-paginate-rest";
import { retry } from "@octokit/plugin-retry";
import { throttling } from "@octokit/plugin-throttling";
import { errorOfAnswer, ForgeError } from "../forge.js";

export const Client = Octokit.plugin(throttling, retry, paginateRest);
export type GithubClient = InstanceType<typeof Client>;

/** Returns the owner and the name of a repository. */
export function part(repository: string): { owner: string; repo: string } {
  const [owner = "", repo = "", ...rest] = repository.split("/");
  if (rest.length > 0) throw new ForgeError("not_found", "A repository is named as in acme/shop.");
  return { owner, repo };
}

/** Converts the errors of a call. @throws ForgeError */
export async function call<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw forgeErrorOf(error);
  }
}

/** Reads pages until they have enough entries. */
export async function readPages<Entry>(
  pages: AsyncIterable<{ data: Entry[] }>,
  max: number,
): Promise<Entry[]> {
  const found: Entry[] = [];
  for await (const { data } of pages) {
    found.push(...data);
    if (found.length >= max) break;
  }
  return found.slice(0, max);
}

interface RequestFailure {
  status?: unknown;
  code?: unknown;
  errors?: { message?: unknown; type?: unknown }[];
  response?: { headers?: Record<string, string>; data?: { message?: unknown; errors?: unknown } };
}

/** Converts the client's error, which wraps that of `fetch`. */
function forgeErrorOf(error: unknown): unknown {
  if (error instanceof ForgeError) return error;
  if (!(error instanceof Error)) return error;
  if (error.cause instanceof ForgeError) return error.cause;
  const { status, code, response, errors } = error as RequestFailure;
  const [first] = errors ?? [];
  if (typeof status !== "number" && first !== undefined) {
    // The GraphQL API answers with status 200.
    const isMissing = first.type === "NOT_FOUND";
    const sentence = String(first.message).slice(0, 300);
    return isMissing
      ? new ForgeError("not_found", `The forge finds nothing there, or hides it (${sentence}).`)
      : new ForgeError("refused", `The forge refuses it (${sentence}).`);
  }
  if (typeof status !== "number") {
    const isKey = /key|PEM|asn1|OSSL/i.test(`${error.message} ${String(code)}`);
    if (!isKey) return error;
    return new ForgeError(
      "unauthorized",
      "The private key of the App cannot be read; it must be a PEM file.",
    );
  }
  const { message, errors: details } = response?.data ?? {};
  const more = Array.isArray(details) ? details.map(detailOf).filter(Boolean).join("; ") : "";
  const reason = [typeof message === "string" ? message : "", more].filter(Boolean).join(": ");
  return errorOfAnswer(status, response?.headers ?? {}, reason);
}

function detailOf(detail: unknown): string {
  if (typeof detail === "string") return detail;
  const { message, field, code } = detail as { message?: string; field?: string; code?: string };
  return message ?? [field, code].filter(Boolean).join(" ");
}
