import { lookup } from "node:dns/promises";
import { addressRule, literalRefusal } from "#shared/node/checked-lookup.js";
import { fairSlots } from "#shared/node/fair-slots.js";
import { invalidField } from "../../../../errors.js";

export interface UrlRules {
  /** Whether webhooks may have private addresses and unencrypted connections. */
  webhookPrivateHosts: boolean;
}

const LOOKUP_TIMEOUT_MS = 5000;
/**
 * A name server that does not answer would otherwise take all threads of the process. Each organization, or person
 * with a webhook, has one at most.
 */
const lookups = fairSlots({ slots: 2, perOwner: 1 });

/**
 * Validates the address of a webhook when it is given. Each attempt checks the resolved address again.
 * @param owner the organization, or the person, for a fair order
 * @throws AppError 422 naming `url`
 */
export async function checkUrl(
  text: string,
  { webhookPrivateHosts }: UrlRules,
  owner: string,
): Promise<void> {
  if (!URL.canParse(text) || /[\u0000-\u0020\u007f]/.test(text)) {
    throw invalidField("url", "must be an address such as https://example.com/omoi");
  }
  const url = new URL(text);
  const allowed = webhookPrivateHosts ? ["https:", "http:"] : ["https:"];
  if (!allowed.includes(url.protocol)) {
    throw invalidField(
      "url",
      "must begin with https://; the operator can allow http:// with OMOI_WEBHOOK_PRIVATE_HOSTS",
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw invalidField("url", "must not contain a user name or password; deliveries are signed");
  }
  if (url.hash !== "") throw invalidField("url", "must not contain a fragment (#…)");
  const refusalOf = addressRule(webhookPrivateHosts);
  const refusal = literalRefusal(url, refusalOf) ?? (await refusedName(url, refusalOf, owner));
  if (refusal !== null) throw invalidField("url", refusal);
}

async function refusedName(
  { hostname }: URL,
  refusalOf: (address: string) => string | null,
  owner: string,
): Promise<string | null> {
  const free = await lookups.take(owner);
  const found = lookup(hostname.replaceAll(/[[\]]/g, ""), { all: true })
    .catch(() => [])
    .finally(free);
  const late = new Promise<[]>((resolve) => {
    setTimeout(resolve, LOOKUP_TIMEOUT_MS, []).unref();
  });
  const addresses = await Promise.race([found, late]);
  if (addresses.length === 0) return `contains a host that cannot be resolved: ${hostname}`;
  for (const { address } of addresses) {
    if (refusalOf(address) !== null) {
      return "resolves to a private or local address; the operator can allow it with OMOI_WEBHOOK_PRIVATE_HOSTS";
    }
  }
  return null;
}
