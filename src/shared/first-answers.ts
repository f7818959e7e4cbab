/** The element id of the API responses embedded in a page. */
export const firstAnswersId = "first-answers";

/** A preloaded API response with status 200. */
export interface FirstAnswer {
  /** Including the query. */
  path: string;
  headers: Record<string, string>;
  /** JSON text. */
  body: string;
}
