/** What a person is told about an import that did not work. */
import { GitError } from "./run.js";

/** Why an import or a fetch did not work. */
export type ImportFailure =
  | "unsupported_url"
  | "authentication_required"
  | "not_found"
  | "not_a_repository"
  | "unreachable"
  | "timed_out"
  | "aborted"
  | "empty"
  | "refused"
  | "failed";

/** An import that did not work; the message is one sentence for a person, without secrets. */
export class ImportError extends Error {
  override readonly name = "ImportError";
  readonly reason: ImportFailure;

  constructor(reason: ImportFailure, message: string) {
    super(message);
    this.reason = reason;
  }
}

const SENTENCES: Record<ImportFailure, string> = {
  unsupported_url:
    "This address cannot be imported: use an https://, ssh:// or allowed file:// URL.",
  authentication_required:
    "The repository asks for a login, or does not exist: check the address or add an access token.",
  not_found: "There is no repository at this address, or it is not visible without a login.",
  not_a_repository: "What is at this address is not a git repository.",
  unreachable:
    "The server of this address could not be reached: check the host name and try again.",
  timed_out: "The import took too long and was stopped: try again later.",
  aborted: "The import was stopped.",
  empty: "The repository has no branch with a commit: push one, then import it again.",
  refused: "The repository holds damaged or unsafe objects, which git refused to import.",
  failed: "The repository could not be imported: check that git clone works with this address.",
};

/** Order matters: the first pattern that fits names the reason. */
const PATTERNS: readonly (readonly [RegExp, ImportFailure])[] = [
  [
    /fsck error|object corrupt|missing blob|index-pack failed|did not receive expected object|pack has \d+ unresolved|bad object|invalid index-pack|badTree|hasDotgit|gitmodules/i,
    "refused",
  ],
  [/mismatched algorithms/i, "refused"],
  [
    /could not read (?:Username|Password)|Authentication failed|Permission denied|error: 40[13]|Host key verification/i,
    "authentication_required",
  ],
  [
    /Could not resolve host|Failed to connect|Connection (?:refused|timed out|reset)|Network is unreachable|No route to host|SSL|TLS|certificate/i,
    "unreachable",
  ],
  [/returned error: 3\d\d|unable to update url base from redirection/i, "not_found"],
  [/Repository not found|repository '.*' not found|error: 404|does not exist/i, "not_found"],
  [
    /does not appear to be a git repository|not valid: is this a git repository|not a git repository|invalid server response/i,
    "not_a_repository",
  ],
  [/Operation too slow|timed out/i, "timed_out"],
  [/transport '.*' not allowed|unsupported/i, "unsupported_url"],
];

/** The ImportError with the sentence of `reason`. */
export function importError(reason: ImportFailure): ImportError {
  return new ImportError(reason, SENTENCES[reason]);
}

/** Runs `work`; a GitError that it throws becomes an ImportError, anything else passes. */
export async function withImportErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof GitError ? importError(failureOf(error)) : error;
  }
}

function failureOf(error: GitError): ImportFailure {
  if (error.reason === "timeout") return "timed_out";
  if (error.reason === "aborted") return "aborted";
  return PATTERNS.find(([pattern]) => pattern.test(error.stderr))?.[1] ?? "failed";
}
