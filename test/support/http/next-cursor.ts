/** Returns the cursor in `Link: <…>; rel="next"`; undefined on the last page. */
export function nextCursor(headers: Headers): string | undefined {
  const link = /<([^>]+)>; rel="next"/.exec(headers.get("link") ?? "")?.[1];
  return link === undefined
    ? undefined
    : (new URL(link, "http://local").searchParams.get("cursor") ?? undefined);
}
