/** Providers of models: their addresses, how calls carry the key, and how they report errors. */

/** Where a call carries the key. */
type KeyHeader = "authorization" | "x-api-key";

export interface Provider {
  name: string;
  /** Address up to and including the version; null if a secret has to give it. */
  baseUrl: string | null;
  /** Null for the header in which the run sent its token. */
  keyHeader: KeyHeader | null;
  /** Names of the variables of runs. */
  variables: { baseUrl: string; key: string };
  /** What follows `$OMOI_URL/models/<name>` in the variable of the address. */
  variablePath: "" | "/v1";
  /** The method and the path behind the version of the calls that a run may make. */
  calls: readonly RegExp[];
  /** Whether the bodies of calls are read, so that their tokens are counted. */
  readsBodies: boolean;
  errorBody(error: ShownError): unknown;
}

interface ShownError {
  status: number;
  code: string;
  message: string;
  /** Whether clients must not repeat the call. */
  isFinal: boolean;
}

/** https://docs.anthropic.com/en/api/errors */
const anthropic: Provider = {
  name: "anthropic",
  baseUrl: "https://api.anthropic.com/v1",
  keyHeader: "x-api-key",
  variables: { baseUrl: "ANTHROPIC_BASE_URL", key: "ANTHROPIC_API_KEY" },
  variablePath: "",
  calls: [/^POST \/messages(?:\/count_tokens)?$/, /^GET \/models(?:\/[^/]+)?$/],
  readsBodies: false,
  errorBody: ({ status, code, message }) => ({
    type: "error",
    error: { type: anthropicTypes[status] ?? "api_error", message, code },
  }),
};
const anthropicTypes: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  405: "invalid_request_error",
  413: "request_too_large",
  429: "rate_limit_error",
  504: "timeout_error",
};

/** https://platform.openai.com/docs/guides/error-codes */
const openAiError: Provider["errorBody"] = ({ status, code, message, isFinal }) => ({
  error: {
    message,
    type: openAiType(status, isFinal),
    param: null,
    code,
  },
});

/** Clients retry `requests`, and not `insufficient_quota`. */
function openAiType(status: number, isFinal: boolean): string {
  if (status === 429) return isFinal ? "insufficient_quota" : "requests";
  return status < 500 ? "invalid_request_error" : "server_error";
}

/** Calls whose answers report all tokens, and the lists of models. Others would read or make what runs share. */
const openAiCalls = [
  /^POST \/(?:responses(?:\/compact)?|chat\/completions|completions|embeddings)$/,
  /^GET \/models(?:\/[^/]+)*$/,
];

const openai: Provider = {
  name: "openai",
  baseUrl: "https://api.openai.com/v1",
  keyHeader: "authorization",
  variables: { baseUrl: "OPENAI_BASE_URL", key: "OPENAI_API_KEY" },
  variablePath: "/v1",
  calls: openAiCalls,
  readsBodies: true,
  errorBody: openAiError,
};

const known = new Map([anthropic, openai].map((provider) => [provider.name, provider]));

/** Returns a provider by its valid name. Those that are not known speak OpenAI's API. */
export function providerOf(name: string): Provider {
  const prefix = name.toUpperCase().replaceAll("-", "_");
  return (
    known.get(name) ?? {
      name,
      baseUrl: null,
      keyHeader: null,
      variables: { baseUrl: `${prefix}_BASE_URL`, key: `${prefix}_API_KEY` },
      variablePath: "/v1",
      calls: openAiCalls,
      readsBodies: true,
      errorBody: openAiError,
    }
  );
}

/** A provider's name in metrics, which name no tenant's choices. */
export function providerLabel(name: string): string {
  return known.has(name) ? name : "other";
}

/**
 * Returns the variables by which the programs of a run find their models.
 * @param url of this server, as the run reaches it
 * @param token of the run, which the gateway replaces by the provider's key
 */
export function modelVariables(
  providers: readonly string[],
  url: string,
  token: string,
): Record<string, string> {
  return Object.fromEntries(
    providers.map(providerOf).flatMap(({ name, variables, variablePath }) => [
      [variables.baseUrl, `${url}/models/${name}${variablePath}`],
      [variables.key, token],
    ]),
  );
}
