/** A cookie that tells the web app that there may be a session; its value has no meaning. */
export const signedInMarker = "omoi_signed_in";
