const preparedTexts = new WeakMap<object, string>();

/**
 * Returns the serialized JSON of a response, if known. A frozen response is serialized on the first
 * call.
 */
export function textOf(data: object): string | undefined {
  const known = preparedTexts.get(data);
  if (known !== undefined || !Object.isFrozen(data)) return known;
  const text = JSON.stringify(data);
  preparedTexts.set(data, text);
  return text;
}

/** Returns a placeholder for a list whose JSON is already known. The JSON is sent unchanged. */
export function preparedJson<Item>(text: string): Item[] {
  const answer: Item[] = [];
  preparedTexts.set(answer, text);
  return answer;
}
