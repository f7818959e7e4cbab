import { randomBytes } from "node:crypto";
import type { Organization } from "#shared/api/organization/organizations.js";
import { acmeProjects, betaProjects, checkoutProject, mainProject, people } from "./fixtures.js";
import { runCommands, startRun, type LiveRun } from "./runs.js";
import { connectClient, signUp, type Person, confirmAddress } from "./session.js";
import { makeAgent, runScenario } from "./scenario.js";
import { prepareShop } from "./shop/seed-shop.js";
import type { Shop } from "./shop/shop.js";

export interface DemoWorld {
  email: string;
  /** Generated for each demo and shared by all of its users. */
  password: string;
  /** Leases last 60 s unless `keepRunsAlive` renews them. */
  runs: LiveRun[];
  /** The project whose tasks continue after the seeding. */
  shop: Shop;
}

/**
 * Fills a new installation with demo data through the API and the agents' folders. No row is inserted
 * directly, so everything the pages show has really happened.
 */
export async function seedDemo(
  origin: string,
  outbox: string,
  log: (line: string) => void,
): Promise<DemoWorld> {
  const password = randomBytes(9).toString("base64url");
  const ada = await signUp(origin, people.ada, password);
  const [john, jane, bob] = await Promise.all(
    [people.john, people.jane, people.bob].map((person) => signUp(origin, person, password)),
  );
  if (!john || !jane || !bob) throw new Error("a user could not sign up");
  await Promise.all([ada, john, jane, bob].map((person) => confirmAddress(outbox, person)));
  log("Signed up ada, john, jane and bob and confirmed their addresses");

  const acme = await makeAcme(ada, [
    [john, "member"],
    [jane, "member"],
    [bob, "viewer"],
  ]);
  const beta = await makeBeta(john, [
    [ada, "member"],
    [jane, "viewer"],
  ]);
  log("Created Acme Corp and Beta Inc");

  const [projectId, shopId] = await makeProjects(ada, acme.id, [
    mainProject,
    checkoutProject,
    ...acmeProjects,
  ]);
  const [betaProjectId] = await makeProjects(john, beta.id, betaProjects);
  if (projectId === undefined || shopId === undefined || betaProjectId === undefined)
    throw new Error("no project");
  log(`Created ${2 + acmeProjects.length + betaProjects.length} projects`);

  const agents = await runScenario(ada, projectId, log);
  const runs: LiveRun[] = [];
  const tester = agents.at(-1) as string;
  const runsCommands = await runCommands(ada, tester);
  for (const agentId of agents) {
    if (agentId !== tester || !runsCommands) runs.push(await startRun(ada, agentId));
  }
  for (const name of ["crawler-1", "crawler-2"]) {
    const agent = await makeAgent(john, { project_id: betaProjectId, name });
    runs.push(await startRun(john, agent.id));
  }
  log(`Started ${runs.length} leased runs${runsCommands ? " and commands of worker-1-tests" : ""}`);

  await makeKeys(origin, ada, acme);
  log("Created two API keys and used one");
  const shop = await prepareShop({ orgId: acme.id, projectId: shopId, ada, john, jane });
  return { email: ada.email, password, runs, shop };
}

type RoleOf = [Person, "member" | "viewer"];

async function makeAcme(owner: Person, members: RoleOf[]): Promise<Organization> {
  const { data } = await owner.api.organizations.create({
    body: {
      name: "Acme Corp",
      slug: "acme-corp",
      description: "Engineering team at Acme",
      billing_email: "billing@acme.com",
    },
  });
  await addMembers(owner, data.id, members);
  return data;
}

async function makeBeta(owner: Person, members: RoleOf[]): Promise<Organization> {
  const { data } = await owner.api.organizations.create({
    body: { name: "Beta Inc", slug: "beta-inc", description: "Search and crawling" },
  });
  await addMembers(owner, data.id, members);
  return data;
}

async function addMembers(owner: Person, orgId: string, members: RoleOf[]): Promise<void> {
  const params = { org_id: orgId };
  const { data: roles } = await owner.api.roles.list({ params, query: { include_system: "true" } });
  for (const [person, roleName] of members) {
    const role = roles.find(({ name }) => name === roleName);
    if (!role) throw new Error(`the role ${roleName} does not exist`);
    await owner.api.members.add({ params, body: { user_id: person.id, role_id: role.id } });
  }
}

/** Creates empty projects in order and returns their ids. */
async function makeProjects(
  person: Person,
  orgId: string,
  projects: readonly { name: string; description: string }[],
): Promise<string[]> {
  const ids: string[] = [];
  for (const project of projects) {
    const body = { organization_id: orgId, ...project };
    ids.push((await person.api.projects.create({ body })).data.id);
  }
  return ids;
}

async function makeKeys(origin: string, person: Person, acme: Organization): Promise<void> {
  await person.api.apiKeys.create({
    body: { name: "Development", description: "My laptop", scopes: ["*:*"] },
  });
  const { data: ci } = await person.api.apiKeys.create({
    body: {
      name: "CI/CD Integration",
      description: "Build server",
      organization_id: acme.id,
      scopes: [`org:${acme.slug}:*`],
    },
  });
  const { key } = ci;
  if (key === null) throw new Error("the response contains no key");
  await connectClient(origin, () => key).projects.list({ query: { organization_id: acme.id } });
}
