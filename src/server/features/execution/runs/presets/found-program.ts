/** A program as commands see it; `version` is null if it does not work. */
export interface FoundProgram {
  version: string | null;
  /** Why it does not work; a sentence. */
  reason: string | null;
  /** Whether a run cannot start it: it is not on the PATH, or reports an error instead of its version. */
  isMissing: boolean;
}
