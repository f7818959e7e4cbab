/** Under which id a page carries what the API would answer to its first requests. */
export const firstAnswersId = "first-answers";

/** An answer of the API with status 200, as the server sends it along with a page. */
export interface FirstAnswer {
  /** With its query, as it would be asked for. */
  path: string;
  headers: Record<string, string>;
  /** JSON as a text. */
  body: string;
}
