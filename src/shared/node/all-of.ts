/** Like `Promise.all`, but waits for all work to settle before it rejects. */
export async function allOf<Work extends readonly unknown[]>(
  ...work: Work
): Promise<{ -readonly [At in keyof Work]: Awaited<Work[At]> }> {
  await Promise.allSettled(work);
  return Promise.all(work);
}
