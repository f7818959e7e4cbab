import type { NewSecret, Secret } from "#shared/api/execution/secrets.js";
import { namedProviders } from "#shared/execution/models/model-provider.js";
import { secretNameProblem } from "#shared/execution/names.js";
import { sealBytes } from "../../../encrypt.js";
import { AppError, invalidField, notFound } from "../../../errors.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { encryptValue } from "./secret-value.js";
import * as queries from "./secrets.queries.js";
import type { SecretOwner } from "./secrets.queries.js";

const MAX_SECRETS = 100;
/**
 * Maximum size of an owner's values together, in bytes. All variables of a run must fit into its
 * environment and into the masking of its output.
 */
const MAX_TOTAL_BYTES = 96 * 1024;

/**
 * Creates or replaces a secret of an organization or a project. Runs that start later get a
 * variable, and the next calls of all runs have a model key.
 * @param secret the installation's secret
 * @throws AppError 404; 409 `too_many_secrets`, `provider_in_use`; 422
 */
export async function setSecret(
  secret: string,
  context: OrgContext,
  owner: SecretOwner,
  { name, ...given }: NewSecret & { name: string },
): Promise<Secret> {
  const problem = secretNameProblem(name);
  if (problem !== null) {
    throw new AppError("validation_failed", `The name ${problem}.`, {
      errors: [{ loc: ["path", "name"], msg: problem, type: "invalid" }],
    });
  }
  const { kind, provider, base_url } = modelOf(given);
  const plain = Buffer.from(given.value);
  const sealed = encryptValue(secret, { owner_id: queries.ownerId(owner), name }, plain);
  return context.change(async (tx, audit) => {
    const before = await queries.findSecret(tx, owner, name);
    const others = await queries.measureOthers(tx, owner, name);
    const bytes = others.bytes - sealBytes * others.count + plain.length;
    const subject = owner.projectId === null ? "An organization" : "A project";
    if (others.count >= MAX_SECRETS) {
      throw new AppError(
        "too_many_secrets",
        `${subject} has at most ${MAX_SECRETS} secrets; delete one first.`,
      );
    }
    if (bytes > MAX_TOTAL_BYTES) {
      throw new AppError(
        "too_many_secrets",
        `The secrets of ${subject.toLowerCase()} have at most ${MAX_TOTAL_BYTES / 1024} KiB together; delete one or shorten the value.`,
      );
    }
    const other = provider === null ? null : await queries.findOfProvider(tx, owner, provider);
    if (other !== null && other !== name) {
      throw new AppError(
        "provider_in_use",
        `${subject} has one secret per provider, and ${other} is the one of ${provider}; replace or delete it.`,
      );
    }
    const target = await targetOf(tx, owner);
    const set_by = context.actor.userId;
    await queries.putSecret(tx, owner, { name, kind, provider, base_url, sealed, set_by });
    const changes = {
      secret: { from: before?.name ?? null, to: name },
      ...(provider !== null && {
        provider: { from: before?.provider ?? null, to: provider },
        base_url: { from: before?.base_url ?? null, to: base_url },
      }),
    };
    audit({ action: "secret.set", target, changes });
    return (await queries.findSecret(tx, owner, name)) as Secret;
  });
}

/** @throws AppError 404 */
export async function deleteSecret(
  context: OrgContext,
  owner: SecretOwner,
  name: string,
): Promise<void> {
  await context.change(async (tx, audit) => {
    const target = await targetOf(tx, owner);
    if (!(await queries.deleteSecret(tx, owner, name))) throw notFound();
    const changes = { secret: { from: name, to: null } };
    audit({ action: "secret.deleted", target, changes });
  });
}

/** @throws AppError 422 when the provider or its address is missing or not expected */
function modelOf({ kind, provider, base_url, value }: NewSecret): {
  kind: Secret["kind"];
  provider: string | null;
  base_url: string | null;
} {
  if (kind === "variable") {
    if (provider !== undefined) throw invalidField("provider", "only a model secret has one");
    if (base_url !== undefined) throw invalidField("base_url", "only a model secret has one");
    return { kind, provider: null, base_url: null };
  }
  if (provider === undefined) throw invalidField("provider", "is missing; name the provider");
  if (!/^[\x21-\x7e]{1,4096}$/.test(value)) {
    throw invalidField("value", "must be a key of 1–4 096 visible ASCII characters without spaces");
  }
  const address = base_url?.replace(/\/+$/, "") ?? null;
  if (address === null && !namedProviders.includes(provider)) {
    const msg = `is missing; only ${namedProviders.join(" and ")} have an address of their own`;
    throw invalidField("base_url", msg);
  }
  return { kind, provider, base_url: address };
}

/** @throws AppError 404 for a deleted project */
async function targetOf(tx: Parameters<typeof queries.findOwnerName>[0], owner: SecretOwner) {
  const name = await queries.findOwnerName(tx, owner);
  if (name === undefined) throw notFound();
  const type = owner.projectId === null ? "organization" : "project";
  return { type, id: queries.ownerId(owner), name } as const;
}
