import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, orgParams, page, timestamp } from "../../contract/fields.js";
import { forgeErrors } from "../code/projects.js";
import { forgeKinds, forgeToken } from "./forges.js";

const login = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.[\]-]*$/, "must be a login of the forge, without @")
  .transform((text) => text.toLowerCase());

const person = z.strictObject({
  login: z.string().describe("Login on the forge, in lower case").meta({ example: "ann" }),
  user_id: id.describe("Id of the member"),
  user_name: z.string().describe("Full name or email address of the member"),
  how: z
    .enum(["linked", "set"])
    .describe("`linked` if the member has proved it, `set` if an admin has entered it"),
  created_at: timestamp.describe("When the login was last linked or set"),
});
export type ForgePerson = z.output<typeof person>;

const account = z.strictObject({
  forge_id: id.describe("Id of the connection"),
  kind: z.enum(forgeKinds).describe("Kind of the forge"),
  name: z.string().describe("Name of the connection"),
  url: z.string().describe("Address of the forge").meta({ example: "https://github.com" }),
  by_oauth: z
    .boolean()
    .describe(
      "Whether an account is linked in the browser, by `POST …/link/start`, without a token",
    ),
  logins: z.array(person).describe("Your logins there"),
});
export type ForgeAccount = z.output<typeof account>;

const organization = "/api/v1/organizations/{org_id}" as const;
const forge = `${organization}/forges/{forge_id}` as const;
const params = orgParams.extend({ forge_id: id.describe("Id of the connection") });
const personParams = params.extend({ login: login.describe("Login on the forge") });

export const forgePeople = {
  list: endpoint({
    method: "GET",
    path: `${forge}/people`,
    access: "org:forges:read",
    summary: "List the logins of a forge whose members are known, by login",
    params,
    query: page,
    response: z.array(person),
  }),
  set: endpoint({
    method: "PUT",
    path: `${forge}/people/{login}`,
    access: "org:forges:write",
    summary: "Say which member a login of the forge belongs to",
    status: 200,
    params: personParams,
    body: z.strictObject({
      user_id: id.describe("Id of the member, whose permissions must not exceed yours"),
    }),
    response: person,
    errors: ["privilege_escalation"],
  }),
  remove: endpoint({
    method: "DELETE",
    path: `${forge}/people/{login}`,
    access: "org:forges:write",
    summary: "Forget which member a login of the forge belongs to",
    params: personParams,
  }),
  accounts: endpoint({
    method: "GET",
    path: `${organization}/forge-accounts`,
    access: "org:read",
    summary: "List the forges of the organization with your own logins there, oldest first",
    params: orgParams,
    query: page,
    response: z.array(account),
  }),
  link: endpoint({
    method: "POST",
    path: `${forge}/link`,
    access: "org:read",
    summary:
      "Link your own account on the forge, proved by a token that is used once and not stored",
    status: 200,
    params,
    body: z.strictObject({
      token: forgeToken.describe(
        "A token of your account that may read your user; used for one request, never stored",
      ),
    }),
    response: person,
    errors: [...forgeErrors, "session_required"],
  }),
  unlink: endpoint({
    method: "DELETE",
    path: `${forge}/link`,
    access: "org:read",
    summary: "Unlink all your own logins on the forge",
    params,
    errors: ["session_required"],
  }),
};
