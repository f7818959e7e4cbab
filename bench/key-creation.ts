import { systemRoleIds } from "#server/db/migrate.js";
import { interleave, median, ms, spread, timed, times, type Row } from "./support/harness.js";
import { asOwner } from "./support/postgres.js";
import { clientOf, type Server } from "./support/server.js";

const few = 4;
const many = 501;
const keysPerRound = 20;
const rounds = 5;

/** The cost of creating a full-access key, by the number of its owner's organizations. */
export async function keyCreation(
  server: Server,
  databaseUrl: string,
  log: (line: string) => void,
): Promise<Row> {
  const create = async (count: number) => {
    const api = await ownerOf(server, databaseUrl, count);
    return async (): Promise<number> => {
      const took: number[] = [];
      for (let made = 0; made < keysPerRound; made += 1)
        took.push(await timed(() => api.apiKeys.create({ body: { name: "Bench" } })));
      return median(took);
    };
  };
  const [byFew, byMany] = [await create(few), await create(many)];
  const figures = await interleave(rounds, {
    few: (round) => {
      log(`key creation: round ${round} of ${rounds}`);
      return byFew();
    },
    many: byMany,
  });
  const ratio = median(figures.many) / median(figures.few);
  return {
    label: `Create a full-access key as the owner of ${many} organizations`,
    result: `p50 ${ms(median(figures.many))}`,
    baseline: `p50 ${ms(median(figures.few))}, as the owner of ${few}`,
    ratio: `${times(ratio)} (${spread(figures.many, figures.few)})`,
    target: "at most 1.2 ×",
    met: ratio <= 1.2,
  };
}

/** Registers a person and inserts organizations directly. */
async function ownerOf(server: Server, databaseUrl: string, count: number) {
  const account = { email: `owner-of-${count}@example.com`, password: "correct staple bench" };
  const anonymous = clientOf(server.url, null);
  const { data: person } = await anonymous.auth.register({ body: account });
  const { data: tokens } = await anonymous.auth.login({ body: account });
  await asOwner(databaseUrl, (client) =>
    client.query(
      `with made as (
         insert into organizations (id, name, slug, owner_id)
         select gen_random_uuid(), 'Bench', format('bench-%s-%s', $2::int, n), $1::uuid
         from generate_series(1, $2::int) n returning id, slug),
       named as (insert into organization_slugs (slug, org_id) select slug, id from made)
       insert into memberships (id, org_id, user_id, role_id)
       select gen_random_uuid(), id, $1::uuid, $3::uuid from made`,
      [person.id, count, systemRoleIds.owner],
    ),
  );
  return clientOf(server.url, tokens.access_token);
}
