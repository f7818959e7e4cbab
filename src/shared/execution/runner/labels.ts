import { z } from "zod";

/** Maximum number of a runner's labels, and of those that a run needs. */
export const MAX_LABELS = 32;

/** A label: lower-case letters, digits and . _ - */
export const runnerLabel = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, "use lower-case letters, digits and . _ -, at most 64");
