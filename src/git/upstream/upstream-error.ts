/** What a person is told about an import, a fetch or a push that did not work. */
import { GitError } from "../process/run.js";
import type { TreeLimitError } from "../objects/tree-limits.js";

/** Why an upstream could not be read or written. */
export type UpstreamFailure = keyof typeof SENTENCES;

/** An upstream that could not be read or written; the message is one sentence for a person, without secrets. */
export class UpstreamError extends Error {
  override readonly name = "UpstreamError";
  readonly reason: UpstreamFailure;

  constructor(reason: UpstreamFailure, message: string) {
    super(message);
    this.reason = reason;
  }
}

const SENTENCES = {
  unsupported_url:
    "This address cannot be imported: use an https://, ssh:// or allowed file:// URL.",
  authentication_required:
    "The repository asks for a login, or does not exist: check the address or add a credential.",
  authentication_failed:
    "The upstream does not accept the credential: it may be wrong, expired or revoked; replace it.",
  key_refused:
    "The upstream does not accept the key: add its public key there as a deploy key, or replace it.",
  forbidden:
    "The upstream does not allow this: give a credential that may read the repository, and write it to push.",
  host_key_changed:
    "The upstream's host key is another one than before: make sure that nobody is in between, then trust the new one.",
  not_found: "There is no repository at this address, or the credential cannot see it.",
  redirected:
    "The address leads on to another one, which is not followed: use the one it leads to.",
  not_a_repository: "What is at this address is not a git repository.",
  unreachable:
    "The server of this address could not be reached: check the host name and try again.",
  untrusted:
    "The certificate of the upstream is not trusted: it needs a valid one, or whoever runs the server names its authority in OMOI_IMPORT_CA_FILE.",
  busy: "The upstream asks to be left alone for a while: try again later.",
  broken: "The upstream answered with an error of its own: try again later.",
  timed_out: "The transfer took too long and was stopped: try again later.",
  aborted: "The transfer was stopped.",
  too_large:
    "The repository is larger than this server takes in; whoever runs it can raise OMOI_MAX_IMPORT_BYTES.",
  tree_too_large: "A branch or tag of the repository is too large to be checked out here.",
  empty: "The repository has no branch with a commit: push one, then import it again.",
  refused: "The repository holds damaged or unsafe objects, which git refused to import.",
  not_fast_forward:
    "The upstream's branch has commits that are not here, and it is never overwritten: fetch, bring the two together, then push.",
  push_refused: "The upstream refused the push: its rules for the branch do not allow it.",
  failed: "The upstream could not be used: check that git works with this address.",
} as const;

/** Order matters: the first pattern that fits names the reason. */
const PATTERNS: readonly (readonly [RegExp, UpstreamFailure])[] = [
  [/File too large/i, "too_large"],
  [
    /fsck error|object corrupt|missing blob|index-pack failed|did not receive expected object|pack has \d+ unresolved|bad object|invalid index-pack|badTree|hasDotgit|gitmodules/i,
    "refused",
  ],
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
];

/** The UpstreamError with the sentence of `reason`. */
export function upstreamError(reason: UpstreamFailure): UpstreamError {
  return new UpstreamError(reason, SENTENCES[reason]);
}

/** The UpstreamError for a branch or tag that is too large; its message names the limit. */
export function treeTooLarge({ message }: TreeLimitError): UpstreamError {
  return new UpstreamError(
    "tree_too_large",
    `${SENTENCES.tree_too_large.slice(0, -1)}: ${message}.`,
  );
}

/** Runs `work`; a GitError that it throws becomes an UpstreamError, anything else passes. */
export async function withUpstreamErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof GitError ? upstreamErrorOf(error) : error;
  }
}

/** The UpstreamError for a git that failed; `more` is what the other side said besides. */
export function upstreamErrorOf(error: GitError, more = ""): UpstreamError {
  if (error.reason === "timeout") return upstreamError("timed_out");
  if (error.reason === "aborted") return upstreamError("aborted");
  const said = `${error.stderr}\n${more}`;
  return upstreamError(PATTERNS.find(([pattern]) => pattern.test(said))?.[1] ?? "failed");
}
