/** The cookie that tells the pages that there may be a session; its value means nothing. */
export const signedInMarker = "omoi_signed_in";
