import { get, type Agent } from "node:http";

/** Sends one request with a key, reads the whole response, and checks its status. */
export function askOnce(agent: Agent, url: string, key: string, status = 200): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${key}` };
    get(url, { agent, headers }, (response) => {
      response.once("error", reject);
      response.once("end", () => {
        if (response.statusCode === status) resolve();
        else reject(new Error(`${url} answered ${response.statusCode}`));
      });
      response.resume();
    }).once("error", reject);
  });
}
