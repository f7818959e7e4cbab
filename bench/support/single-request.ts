import { request, type Agent } from "node:http";

interface Asked {
  status?: number;
  method?: string;
  /** Sent as JSON; null for none. */
  body?: unknown;
}

/** Sends one request with a key, reads the whole response, and checks its status. */
export function askOnce(
  agent: Agent,
  url: string,
  key: string,
  { status = 200, method = "GET", body = null }: Asked = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const text = body === null ? undefined : JSON.stringify(body);
    const headers = {
      authorization: `Bearer ${key}`,
      ...(text !== undefined && { "content-type": "application/json" }),
    };
    const sent = request(url, { agent, headers, method }, (response) => {
      response.once("error", reject);
      response.once("end", () => {
        if (response.statusCode === status) resolve();
        else reject(new Error(`${url} answered ${response.statusCode}`));
      });
      response.resume();
    }).once("error", reject);
    sent.end(text);
  });
}
