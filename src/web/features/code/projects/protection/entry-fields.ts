import type { ProtectedBranch } from "#shared/code/protection.js";

/** The properties of a part of the form of a protected branch. */
export interface EntryFieldsProps {
  entry: ProtectedBranch;
  index: number;
  /** The names of the project's checks. */
  checks: readonly string[];
  reason: string | undefined;
  errorOf: (name: string) => string | undefined;
  onChange: (part: Partial<ProtectedBranch>) => void;
}
