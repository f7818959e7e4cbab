/**
 * Returns the path of what a call has created: the call's `location` with the parameters of the request
 * and the fields of the response.
 * @throws if the template names neither
 */
export function createdLocation(template: string, params: unknown, body: unknown): string {
  const values = { ...(body as object), ...(params as object) } as Record<string, unknown>;
  return template.replaceAll(/\{(\w+)\}/g, (_match, name: string) => {
    const value = values[name];
    if (typeof value !== "string") throw new Error(`${template}: the answer has no ${name}`);
    return encodeURIComponent(value);
  });
}
