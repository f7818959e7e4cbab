/** Whether a text is a UUID in lower case (RFC 9562, section 4), the form of every stored id. */
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}
