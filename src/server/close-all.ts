/**
 * Closes one part after another. Where one fails the others are closed all the same: what is left open
 * outlives the process (mounted folders, commands, a database).
 *
 * Throws what failed: the error, or an AggregateError where there are several.
 */
export async function closeAll(parts: readonly (() => unknown)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const close of parts) {
    try {
      await close();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 1) throw new AggregateError(errors, "several parts could not be closed");
  if (errors.length === 1) throw errors[0];
}
