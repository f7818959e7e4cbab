const secretShape = /^[A-Z_][A-Z0-9_]{0,63}$/;

/** Set by the sandbox, or able to replace the programs that a command runs. */
const reservedNames = [
  /^(?:OMOI|LD|GIT)_/,
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|PWD|LANG|TMPDIR|TERM|NODE_OPTIONS|NODE_USE_ENV_PROXY)$/,
  /^(?:HTTP|HTTPS|FTP|ALL|NO)_PROXY$/,
];

/** Returns why a text is no name of a secret; null if it is one. */
export function secretNameProblem(text: string): string | null {
  if (!secretShape.test(text)) {
    return "must be 1–64 of A-Z, 0-9 and _, beginning with a letter or _";
  }
  if (!reservedNames.some((pattern) => pattern.test(text))) return null;
  return `must not be ${text}, which Omoi sets or which changes how programs start; choose another name`;
}

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

/**
 * The name of a container image: an optional registry, a path, and an optional tag or digest, by the grammar of
 * https://github.com/distribution/reference.
 */
export const IMAGE_NAME =
  /^(?=.{1,255}$)(?:(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::\d{1,5})?\/)?[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[a-z0-9]+:[a-fA-F0-9]{32,128})?$/;
