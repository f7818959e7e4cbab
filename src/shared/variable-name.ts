/** Rules for names of a run's environment variables, with their messages. */
export const variableNameRules = {
  length: [255, "must be at most 255 characters"],
  letters: [/^[A-Za-z_][A-Za-z0-9_]*$/, "must be a name of A-Z, a-z, 0-9 and _"],
  prefix: [/^(?!OMOI_)/, "begins with OMOI_, which Omoi sets itself"],
} as const;

/** Returns why a text is not a valid name; null if it is. */
export function variableNameProblem(text: string): string | null {
  const { length, letters, prefix } = variableNameRules;
  if (text.length > length[0]) return length[1];
  return [letters, prefix].find(([pattern]) => !pattern.test(text))?.[1] ?? null;
}
