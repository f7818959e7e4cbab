import { createRequesterFn, type RequestOptions } from "@gitbeaker/requester-utils";
import { throwingFetch, type ForgeFetch } from "../client/forge-fetch.js";

const API_PATH = "/api/v4";

export type GitlabOptions = ReturnType<typeof gitlabOptions>;

/** Returns the options of the client's resources, which then use our `fetch`. */
export function gitlabOptions(apiUrl: string, token: string, fetch: ForgeFetch) {
  const send = throwingFetch(fetch);
  const requesterFn = createRequesterFn(
    (_resource, options) => Promise.resolve(options),
    async (endpoint, options = {}) => {
      const { prefixUrl = "", searchParams, method, headers, body } = options as RequestOptions;
      const url = new URL(endpoint, prefixUrl.replace(/\/?$/, "/"));
      url.search = searchParams ?? "";
      const response = await send(url, {
        method: method ?? "GET",
        headers: headers ?? {},
        ...(typeof body === "string" && { body }),
      });
      const text = await response.text();
      return {
        body: text === "" ? null : (JSON.parse(text) as Record<string, unknown>),
        headers: Object.fromEntries(response.headers),
        status: response.status,
      };
    },
  );
  return { host: apiUrl.slice(0, -API_PATH.length), token, requesterFn };
}
