import { useEffect, useState } from "react";
import calls from "virtual:calls";
import type { Endpoint, Method } from "#shared/contract/endpoint.js";
import type { schemas } from "./schemas.js";

type Rules = typeof schemas;

/**
 * A call's method and path, loaded with every page. Its schemas are a quarter of a page's code and slow
 * to create, so they are loaded on the first input.
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

/** All API calls, by resource. */
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

async function loadSchemas(): Promise<Rules> {
  known ??= (await import("./schemas.js")).schemas;
  return known;
}

/** Loads the endpoint with its schemas. */
export async function schemasOf<E>(call: Call<E>): Promise<E> {
  return call.in(await loadSchemas());
}

/**
 * Returns the endpoint with its schemas; null until they are loaded. Loading starts when `isWanted` is
 * true.
 */
export function useSchemas<E>(call: Call<E>, isWanted: boolean): E | null {
  const [schemas, setRules] = useState(known);
  useEffect(() => {
    // If this fails, input is not validated while typing; submitting retries the import and reports the
    // error.
    if (isWanted && schemas === null) void loadSchemas().then(setRules, () => {});
  }, [isWanted, schemas]);
  return schemas && call.in(schemas);
}
