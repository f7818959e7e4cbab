import type { Check } from "#shared/node/doctor-check.js";
import { send, textOf } from "../connection/http.js";
import { OUTSIDE_MS, type Place } from "./place.js";

/** Whether Omoi answers there, and in the version of this command. */
export function version({ url, version: own }: Place): Check {
  return {
    name: "version",
    tried: `Ask ${url.origin}/version`,
    cure: "Let the proxy pass requests on to Omoi, and check that Omoi runs.",
    limitMs: OUTSIDE_MS,
    run: async (signal) => {
      const answer = await send({ url: url.origin, token: null }, "/version", {
        method: "GET",
        signal,
      });
      const text = await textOf(answer);
      const { version: theirs } = parsed(text);
      if (answer.statusCode !== 200 || theirs === null) {
        throw new Error(`status ${answer.statusCode}, which is not the answer of Omoi`);
      }
      if (theirs === own) return { status: "ok", seen: `the server and omoi are version ${own}` };
      return {
        status: "warning",
        seen: `the server is version ${theirs}, and omoi ${own}`,
        cure: "Install omoi from the version of the server (docs/how-to/command-line.md), or upgrade the server.",
      };
    },
  };
}

function parsed(text: string): { version: string | null } {
  try {
    const { version: found } = JSON.parse(text) as { version?: unknown };
    return { version: typeof found === "string" ? found : null };
  } catch {
    return { version: null };
  }
}
