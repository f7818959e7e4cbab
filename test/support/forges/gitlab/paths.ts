import type { Kind } from "../check-fields.js";
import { findersBy } from "../routes.js";

/** The names on the wire, from those of the client. */
type Snake<Name> = Name extends `${infer First}${infer Rest}`
  ? First extends Uppercase<First>
    ? `_${Lowercase<First>}${Snake<Rest>}`
    : `${First}${Snake<Rest>}`
  : Name;
export type Fields<Option> = Partial<Record<Snake<keyof Option & string>, Kind>>;

export const paged = { page: "number", per_page: "number" } as const;
export const PAGE = { name: "per_page", usual: 20, max: 100 };
export const project = "/projects/{id}";
export const requests = `${project}/merge_requests`;

export const inProject = findersBy({
  repositoryOf: ({ id = "" }) => id,
  numberOf: ({ iid = "0" }) => Number(iid),
});

const logins: string[] = [];

/** Returns the id of a user, who is known by its login everywhere else. */
export function idOf(login: string): number {
  if (!logins.includes(login)) logins.push(login);
  return logins.indexOf(login) + 10;
}

export const loginOf = (id: number): string | undefined => logins[id - 10];

export const userOf = (login: string) => ({ id: idOf(login), username: login, name: login });
