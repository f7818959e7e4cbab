/** A start that cannot succeed: one line that names the variable and the cure. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}
