/**
 * Whether an error means a full disk or quota, as reported by Node, PostgreSQL (53100), or a child
 * process (git).
 */
export function isNoSpace(error: unknown): boolean {
  const { code, stderr, cause } = error as { code?: unknown; stderr?: unknown; cause?: unknown };
  if (code === "ENOSPC" || code === "EDQUOT" || code === "53100") return true;
  if (typeof stderr === "string" && FULL.test(stderr)) return true;
  return cause instanceof Error && isNoSpace(cause);
}

/**
 * git prints "unable to write file" or "Out of diskspace" without the cause when a file could be opened
 * but not written.
 */
const FULL = /No space left on device|Disk quota exceeded|Out of diskspace|unable to write file/;
