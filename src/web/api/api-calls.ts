import { useEffect, useState } from "react";
import calls from "virtual:calls";
import type { Endpoint, Method } from "#shared/contract/endpoint.js";
import type { schemas } from "./schemas.js";

type Rules = typeof schemas;

/**
 * A call as pages know it from the start: where it goes. Its schemas, a quarter of a page's code and
 * slow to set up, are wanted only when something was typed.
 */
export interface Call<E> {
  method: Method;
  path: `/${string}`;
  in: (schemas: Rules) => E;
}

type Calls = {
  [Resource in keyof Rules]: {
    [Name in keyof Rules[Resource]]: Call<Rules[Resource][Name]>;
  };
};

/** The whole API, by resource, as calls. */
export const api = Object.fromEntries(
  Object.entries(calls).map(([resource, named]) => [
    resource,
    Object.fromEntries(
      Object.entries(named).map(([name, where]) => [
        name,
        {
          ...where,
          in: (schemas: Record<string, Record<string, Endpoint>>) => schemas[resource]?.[name],
        },
      ]),
    ),
  ]),
) as unknown as Calls;

let known: Rules | null = null;

async function loadRules(): Promise<Rules> {
  known ??= (await import("./schemas.js")).schemas;
  return known;
}

/** The endpoint with its schemas. */
export async function schemasOf<E>(call: Call<E>): Promise<E> {
  return call.in(await loadRules());
}

/** The same for a render: null until it is there, and loaded only once it `isWanted`. */
export function useSchemas<E>(call: Call<E>, isWanted: boolean): E | null {
  const [schemas, setRules] = useState(known);
  useEffect(() => {
    // Without them nothing is judged as one types; sending tries again, and tells.
    if (isWanted && schemas === null) void loadRules().then(setRules, () => {});
  }, [isWanted, schemas]);
  return schemas && call.in(schemas);
}
