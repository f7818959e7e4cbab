/** The element id of the API responses embedded in a page. */
export const firstAnswersId = "first-answers";

/** The element id of the state of the maintenance, which a page has while it lasts. */
export const maintenanceId = "maintenance";

/** A preloaded API response with status 200. */
export interface FirstAnswer {
  /** Including the query. */
  path: string;
  headers: Record<string, string>;
  /** JSON text. */
  body: string;
}

/** A cookie that tells the web app that there may be a session; its value has no meaning. */
export const signedInMarker = "omoi_signed_in";
