/**
 * Closes resources one after another. A failure does not keep the rest open: a leftover mount, command
 * or database would outlive the process.
 * @throws the error, or an AggregateError of several
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
  if (errors.length > 1) throw new AggregateError(errors, "several resources could not be closed");
  if (errors.length === 1) throw errors[0];
}
