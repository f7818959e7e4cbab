/** With THOROUGH=1 tests that repeat do so as often as was promised; else a part of it, for minutes' sake. */
export const isThorough = process.env["THOROUGH"] === "1";

export function rounds(of: { thorough: number; else: number }): number {
  return isThorough ? of.thorough : of.else;
}
