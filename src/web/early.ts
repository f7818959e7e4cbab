const answers = new Map<string, Promise<Response>>();

/** Asks the API for what the first page will want, before there is a client that could. */
export function askEarly(path: string): void {
  const answer = fetch(path, {
    credentials: "same-origin",
    headers: { accept: "application/json" },
  });
  // Whoever takes it hears of its failure.
  answer.catch(() => {});
  answers.set(path, answer);
}

/**
 * The answer that was asked for early, once; undefined where none was. What was answered before
 * something changed, such as who is signed in, is no answer any more.
 */
export function takeEarly(path: string, { method }: RequestInit): Promise<Response> | undefined {
  if (method !== "GET") {
    answers.clear();
    return undefined;
  }
  const answer = answers.get(path);
  answers.delete(path);
  return answer;
}
