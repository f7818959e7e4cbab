/** Error messages for imports, fetches and pushes. */
import { GitError } from "../process/run.js";
import type { TreeLimitError } from "../objects/tree-limits.js";

/** Why an upstream could not be read or written. */
export type UpstreamFailure = keyof typeof SENTENCES;

/**
 * An upstream could not be read or written. The message is a sentence for users and contains no
 * secrets.
 */
export class UpstreamError extends Error {
  override readonly name = "UpstreamError";
  readonly reason: UpstreamFailure;

  constructor(reason: UpstreamFailure, message: string) {
    super(message);
    this.reason = reason;
  }
}

const SENTENCES = {
  unsupported_url: "This address is not supported. Use an https://, ssh:// or allowed file:// URL.",
  authentication_required:
    "The repository requires a credential or does not exist. Check the address or add a credential.",
  authentication_failed:
    "The upstream rejected the credential. It may be wrong, expired or revoked; replace it.",
  key_refused:
    "The upstream rejected the SSH key. Add its public key there as a deploy key, or replace it.",
  forbidden:
    "The credential lacks access. Use one that may read the repository, and write to it for pushes.",
  host_key_changed:
    "The upstream's host key changed. Verify the new key with the upstream's operator, then trust it.",
  not_found: "The repository does not exist at this address, or the credential cannot access it.",
  redirected: "The address redirects, and redirects are not followed. Use the target address.",
  not_a_repository: "The address is not a git repository.",
  unreachable: "The server is unreachable. Check the host name and try again.",
  untrusted:
    "The upstream's certificate is not trusted. Install a valid certificate, or set OMOI_IMPORT_CA_FILE to its certificate authority on this server.",
  busy: "The upstream is rate limiting requests. Try again later.",
  interrupted: "The connection to the upstream was interrupted. Try again.",
  broken: "The upstream answered with a server error. Try again later.",
  timed_out: "The transfer timed out. Try again later.",
  aborted: "The transfer was canceled.",
  too_large:
    "The repository exceeds this server's import limit. An operator can raise OMOI_MAX_IMPORT_BYTES.",
  tree_too_large: "A branch or tag of the repository is too large to check out.",
  empty: "The repository has no commits on any branch. Push a branch, then import it again.",
  refused: "The repository contains damaged or unsafe objects, which git refuses to import.",
  not_fast_forward:
    "The upstream's branch has commits that are missing here, and they are never overwritten. Fetch and merge them, then push.",
  push_refused: "The upstream rejected the push: its rules for the branch do not allow it.",
  failed: "Git could not use the upstream. Check that git works with this address.",
} as const;

/** The first matching pattern wins. */
const PATTERNS: readonly (readonly [RegExp, UpstreamFailure])[] = [
  [/File too large/i, "too_large"],
  [
    /fsck error|object corrupt|missing blob|did not receive expected object|pack has \d+ unresolved|bad object|badTree|hasDotgit|gitmodules/i,
    "refused",
  ],
  // Without an answer that says more: git reports an end of the transfer after each of them.
  [
    /^(?![^]*(?:returned error: \d{3}|too slow|timed out))[^]*(?:RPC failed; curl|early EOF|unexpected disconnect|Empty reply from server|transfer closed|expected flush after|expected 'packfile')/i,
    "interrupted",
  ],
  [/index-pack failed|invalid index-pack/i, "refused"],
  [/mismatched algorithms/i, "refused"],
  [/could not read (?:Username|Password)|error: 401/i, "authentication_required"],
  [/Authentication failed/i, "authentication_failed"],
  [/error: 403|Permission (?:denied|to \S+ denied)|access denied|read.only/i, "forbidden"],
  [/error: 429|error: 503/i, "busy"],
  [/error: 5\d\d/i, "broken"],
  [/certificate/i, "untrusted"],
  [
    /SSL|TLS|Could not resolve host|Failed to connect|Connection (?:refused|timed out|reset)|Network is unreachable|No route to host/i,
    "unreachable",
  ],
  [/returned error: 3\d\d|unable to update url base from redirection/i, "redirected"],
  [/Repository not found|repository '.*' not found|error: 4(?:04|10)|does not exist/i, "not_found"],
  [
    /does not appear to be a git repository|not valid: is this a git repository|not a git repository|invalid server response/i,
    "not_a_repository",
  ],
  [/Operation too slow|timed out/i, "timed_out"],
  [/transport '.*' not allowed|unsupported/i, "unsupported_url"],
  [/hung up unexpectedly|unexpected disconnect/i, "interrupted"],
];

/** Creates the UpstreamError for `reason`. */
export function upstreamError(reason: UpstreamFailure): UpstreamError {
  return new UpstreamError(reason, SENTENCES[reason]);
}

/** Creates the UpstreamError for a branch or tag above the limits; its message names the limit. */
export function treeTooLarge({ message }: TreeLimitError): UpstreamError {
  return new UpstreamError(
    "tree_too_large",
    `${SENTENCES.tree_too_large.slice(0, -1)}: ${message}.`,
  );
}

/** Runs `work` and converts a GitError into an UpstreamError; other errors pass. */
export async function withUpstreamErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof GitError ? upstreamErrorOf(error) : error;
  }
}

/** Converts a failed git run into an UpstreamError; `more` is further output of the other side. */
export function upstreamErrorOf(error: GitError, more = ""): UpstreamError {
  if (error.reason === "timeout") return upstreamError("timed_out");
  if (error.reason === "aborted") return upstreamError("aborted");
  const said = `${error.stderr}\n${more}`;
  return upstreamError(PATTERNS.find(([pattern]) => pattern.test(said))?.[1] ?? "failed");
}
