/** With THOROUGH=1, repeated tests run at full length; otherwise a fraction, to save time. */
export const isThorough = process.env["THOROUGH"] === "1";

export function rounds(of: { thorough: number; else: number }): number {
  return isThorough ? of.thorough : of.else;
}
