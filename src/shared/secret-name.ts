const shape = /^[A-Z_][A-Z0-9_]{0,63}$/;

/** Set by the sandbox, or able to replace the programs that a command runs. */
const reserved = [
  /^(?:OMOI|LD|GIT)_/,
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|PWD|LANG|TMPDIR|TERM|NODE_OPTIONS|NODE_USE_ENV_PROXY)$/,
  /^(?:HTTP|HTTPS|FTP|ALL|NO)_PROXY$/,
];

/** Returns why a text is no name of a secret; null if it is one. */
export function secretNameProblem(text: string): string | null {
  if (!shape.test(text)) {
    return "must be 1–64 of A-Z, 0-9 and _, beginning with a letter or _";
  }
  if (!reserved.some((pattern) => pattern.test(text))) return null;
  return `must not be ${text}, which Omoi sets or which changes how programs start; choose another name`;
}
