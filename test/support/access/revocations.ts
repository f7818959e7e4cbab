import { randomBytes } from "node:crypto";
import { expect } from "vitest";
import type { Client } from "#shared/contract/client.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { expectProblem } from "../server/app.js";

/** Makes the client of a server process for a token. */
export type Connect = (token?: string) => Client;

/** Registers a person, and signs in. */
export async function signUp(
  connect: Connect,
): Promise<{ id: string; email: string; token: string }> {
  const email = `person-${randomBytes(6).toString("hex")}@example.com`;
  const body = { email, password: "correct staple horse" };
  const { data } = await connect().auth.register({ body });
  const { access_token } = (await connect().auth.login({ body })).data;
  return { id: data.id, email, token: access_token };
}

/**
 * Expects that a key, a session and a membership that one process has revoked open nothing at the other, which
 * has used each of them just before; and the other way round.
 */
export async function expectRevocations(processes: readonly [Connect, Connect]): Promise<void> {
  const owner = await signUp(processes[0]);
  const { data: org } = await processes[0](owner.token).organizations.create({
    body: { name: "Revocations" },
  });
  const params = { org_id: org.id };
  for (const [here, there] of [processes, processes.toReversed()] as [Connect, Connect][]) {
    const api = here(owner.token);
    const { data: key } = await api.apiKeys.create({ body: { name: "short-lived" } });
    const holder = there(key.key as string);
    expect((await holder.auth.me()).data.id).toBe(owner.id);
    await api.apiKeys.revoke({ params: { key_id: key.id } });
    await expectProblem(holder.auth.me(), 401, "invalid_token");

    const person = await signUp(here);
    const elsewhere = there(person.token);
    const body = { user_id: person.id, role_id: systemRoleIds.member };
    const { data: member } = await api.members.add({ params, body });
    await expect.poll(async () => (await elsewhere.organizations.list()).data).toHaveLength(1);
    expect((await elsewhere.organizations.get({ params })).data.id).toBe(org.id);
    await api.members.remove({ params: { ...params, member_id: member.id } });
    await expectProblem(elsewhere.organizations.get({ params }), 404, "not_found");
    expect((await elsewhere.organizations.list()).data).toEqual([]);

    expect((await elsewhere.auth.me()).data.id).toBe(person.id);
    await here(person.token).auth.logout();
    await expectProblem(elsewhere.auth.me(), 401, "invalid_token");
  }
}
