import { keepRunsAlive } from "./runs.js";
import { seedDemo } from "./seed.js";
import { keepWorking } from "./shop/keep-working.js";
import { startShop } from "./shop/seed-shop.js";

/**
 * Fills a new installation with demo data, prints the sign-in, and keeps the demo's runs alive until
 * stdin closes or a signal ends it. Arguments: the server's origin and its outbox folder.
 */
async function main(): Promise<void> {
  const [origin, outbox] = process.argv.slice(2);
  if (origin === undefined || !URL.canParse(origin) || outbox === undefined) {
    throw new Error(
      "pass the origin of the server, such as http://127.0.0.1:8080, and its outbox folder",
    );
  }
  const say = (line: string): void => {
    process.stdout.write(`${line}\n`);
  };
  const world = await seedDemo(origin.replace(/\/+$/, ""), outbox, (line) => say(`  ${line}`));
  const alive = keepRunsAlive(world.runs, say);
  let working = { stop: (): void => undefined };
  const end = (): void => {
    alive.stop();
    working.stop();
    process.exit(0);
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  process.stdin.on("end", end).on("error", end).resume();
  say(`Open ${origin} and sign in as ${world.email} with the password ${world.password}`);
  await startShop(world.shop, (line) => say(`  ${line}`));
  working = keepWorking(world.shop, say);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`omoi demo: ${(error as Error).message}\n`);
  process.exit(1);
}
