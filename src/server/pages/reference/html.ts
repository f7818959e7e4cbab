/** Escapes text for HTML. */
export function escape(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/** Turns text with `code` into HTML. */
export function prose(text: string): string {
  return escape(text).replaceAll(/`([^`]+)`/g, "<code>$1</code>");
}

/** A path that wraps after its slashes. */
export function pathCode(path: string): string {
  return `<code>${escape(path).replaceAll("/", "/<wbr>")}</code>`;
}

export function jsonBlock(value: unknown): string {
  return codeBlock(JSON.stringify(value, null, 2), "JSON");
}

/** A block that can be scrolled by the keyboard, too. */
export function codeBlock(text: string, label: string): string {
  return `<pre tabindex="0" role="group" aria-label="${escape(label)}"><code>${escape(text)}</code></pre>`;
}
