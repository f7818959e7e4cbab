const codes = { dim: 2, bold: 1, red: 31, green: 32, yellow: 33, blue: 34, cyan: 36 } as const;
export type Style = keyof typeof codes;

/** Whether text has colors: on a terminal, unless NO_COLOR is set (https://no-color.org). */
export function hasColors(): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR) return false;
  return Boolean(FORCE_COLOR) || (process.stdout.isTTY && TERM !== "dumb");
}

export function styled(style: Style, text: string): string {
  return hasColors() && text !== "" ? `\u001B[${codes[style]}m${text}\u001B[0m` : text;
}
