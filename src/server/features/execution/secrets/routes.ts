import { organizationSecrets, projectSecrets } from "#shared/api/execution/secrets.js";
import type { Secret } from "#shared/api/execution/secrets.js";
import { notFound } from "../../../errors.js";
import { byName, pagesOf } from "../../../http/requests/pagination.js";
import type { Handlers } from "../../../http/register-routes.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { findSecret, listSecrets, type SecretOwner } from "./secrets.queries.js";
import { deleteSecret, setSecret } from "./set-secret.js";

/** @param secret the installation's secret */
export function organizationSecretHandlers(secret: string): Handlers<typeof organizationSecrets> {
  const pages = pagesOf(organizationSecrets.list, byName);
  const ownerIn = ({ orgId }: OrgContext): SecretOwner => ({ orgId, projectId: null });
  return {
    list: (context, { query }) => pages(context, query, pageReader(context, ownerIn(context))),
    get: (context, { params }) => readSecret(context, ownerIn(context), params.name),
    set: (context, { params, body }) =>
      setSecret(secret, context, ownerIn(context), { name: params.name, ...body }),
    delete: async (context, { params }) => {
      await deleteSecret(context, ownerIn(context), params.name);
      return undefined;
    },
  };
}

/** @param secret the installation's secret */
export function projectSecretHandlers(secret: string): Handlers<typeof projectSecrets> {
  const pages = pagesOf(projectSecrets.list, byName);
  const ownerIn = ({ orgId }: OrgContext, params: { project_id: string }): SecretOwner => ({
    orgId,
    projectId: params.project_id,
  });
  return {
    list: (context, { params, query }) =>
      pages(context, query, pageReader(context, ownerIn(context, params))),
    get: (context, { params }) => readSecret(context, ownerIn(context, params), params.name),
    set: (context, { params, body }) =>
      setSecret(secret, context, ownerIn(context, params), { name: params.name, ...body }),
    delete: async (context, { params }) => {
      await deleteSecret(context, ownerIn(context, params), params.name);
      return undefined;
    },
  };
}

function pageReader({ tx }: OrgContext, owner: SecretOwner) {
  return {
    read: (after: readonly [string] | null, limit: number) =>
      tx((transaction) => listSecrets(transaction, owner, after?.[0] ?? "", limit)),
    keyOf: ({ name }: Secret): [string] => [name],
  };
}

/** @throws AppError 404 */
async function readSecret({ tx }: OrgContext, owner: SecretOwner, name: string): Promise<Secret> {
  const found = await tx((transaction) => findSecret(transaction, owner, name));
  if (!found) throw notFound();
  return found;
}
