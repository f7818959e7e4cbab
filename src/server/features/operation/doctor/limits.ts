/**
 * Time for a check, in which a busy machine ends the trials of the sandbox; milliseconds. Proxies wait 60 s for an
 * answer.
 */
export const CHECK_MS = 45_000;
/** Time for the answer of another server, whose checks have that limit. */
export const ANSWER_MS = CHECK_MS + 5000;
/** More servers or runners are not checked. */
export const MAX_LISTED = 1000;
