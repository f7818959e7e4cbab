/**
 * `npm run picture`: renews the picture of the README, docs/screenshots/tour.png, by a visit of the demo: a moving PNG whose
 * frames are screenshots. `OMOI_CHROMIUM` names the browser.
 */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { crc32 as zlibCrc32 } from "node:zlib";
import { chromium } from "playwright-core";
import { chromiumFlags, findChromium } from "./chromium.mjs";
import { fail, root } from "./prepare.mjs";

const WIDTH = 1200;
const HEIGHT = 750;
/** How long a frame is shown, in milliseconds. */
const FRAME_MS = 2800;
const MAX_BYTES = 600_000;

const program = findChromium(false);
if (program === null) fail("the picture needs Chromium; install it, or set OMOI_CHROMIUM");
const demo = spawn(process.execPath, [join(root, "scripts/start.mjs"), "--demo"], {
  cwd: root,
  env: { ...process.env, OMOI_PORT: "0" },
  stdio: ["ignore", "pipe", "inherit"],
});
const folder = process.argv[2];
try {
  const { url, email, password } = await signInOf(demo);
  const browser = await chromium.launch({ executablePath: program, args: chromiumFlags });
  const frames = await visit(browser, url, { email, password });
  await browser.close();
  if (folder !== undefined) {
    mkdirSync(folder, { recursive: true });
    for (const [at, frame] of frames.entries()) writeFileSync(join(folder, `${at}.png`), frame);
  }
  const picture = animate(frames);
  if (picture.length > MAX_BYTES)
    fail(`the picture has ${picture.length} bytes, more than ${MAX_BYTES}`);
  writeFileSync(join(root, "docs/screenshots/tour.png"), picture);
  process.stdout.write(`docs/screenshots/tour.png has ${picture.length} bytes\n`);
} finally {
  demo.kill("SIGTERM");
}

/** Waits until the demo prints its sign-in. */
function signInOf(child) {
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const found = /^Open (\S+) and sign in as (\S+) with the password (\S+)$/.exec(line);
      if (found) resolve({ url: found[1], email: found[2], password: found[3] });
    });
    child.once("exit", (code) => reject(new Error(`the demo ended with ${code}`)));
  });
}

/** Takes the frames. */
async function visit(browser, url, body) {
  const context = await browser.newContext({ viewport: { width: WIDTH, height: HEIGHT } });
  const page = await context.newPage();
  const signIn = await page.request.post(`${url}/api/v1/auth/login`, {
    data: body,
    headers: { origin: url },
  });
  if (!signIn.ok()) throw new Error(`the sign-in failed: ${signIn.status()}`);
  const read = async (path) => (await page.request.get(`${url}/api/v1${path}`)).json();
  const acme = (await read("/organizations")).find(({ slug }) => slug === "acme-corp");
  const projects = await read(`/projects?organization_id=${acme.id}&limit=100`);
  const { id: project } = projects.find(({ name }) => name === "Checkout");
  const taskNamed = async (title) =>
    (await read(`/projects/${project}/tasks?limit=100`)).find((task) => task.title === title);
  // The states that the pages show.
  for (let tries = 0; tries < 120; tries += 1) {
    const split = await taskNamed("Split the cart module");
    const rates = await taskNamed("Cache the exchange rates");
    if (split?.status === "in_review" && rates?.status === "in_review") break;
    await pause(1000);
  }
  const split = await taskNamed("Split the cart module");
  const rates = await taskNamed("Cache the exchange rates");
  const frames = [];
  const take = async (path) => {
    await page.goto(url + path);
    // Pages follow a stream, so that the network is never idle.
    await pause(3000);
    frames.push(await page.screenshot());
  };
  await take("/");
  await take(`/projects/${project}/tasks`);
  await take(`/tasks/${split.id}`);
  await take(`/tasks/${rates.id}?compare=true`);
  await take(`/projects/${project}/merges`);
  return frames;
}

/** Puts PNG pictures of one size into one APNG, which repeats without end. */
function animate(pictures) {
  let sequence = 0;
  const number = (value) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const chunk = (type, data) => {
    const content = Buffer.concat([Buffer.from(type, "latin1"), data]);
    return Buffer.concat([number(data.length), content, number(zlibCrc32(content))]);
  };
  const control = () => {
    const delay = Buffer.alloc(6);
    delay.writeUInt16BE(FRAME_MS, 0);
    delay.writeUInt16BE(1000, 2);
    const size = [number(WIDTH), number(HEIGHT), number(0), number(0)];
    const data = Buffer.concat([number(sequence), ...size, delay]);
    sequence += 1;
    return chunk("fcTL", data);
  };
  const [first = []] = pictures.map(chunksOf);
  const signature = pictures[0].subarray(0, 8);
  const header = first.find(({ type }) => type === "IHDR");
  const parts = [
    signature,
    chunk("IHDR", header.data),
    chunk("acTL", Buffer.concat([number(pictures.length), number(0)])),
  ];
  for (const [at, picture] of pictures.entries()) {
    parts.push(control());
    for (const { type, data } of chunksOf(picture)) {
      if (type !== "IDAT") continue;
      if (at === 0) parts.push(chunk("IDAT", data));
      else {
        parts.push(chunk("fdAT", Buffer.concat([number(sequence), data])));
        sequence += 1;
      }
    }
  }
  parts.push(chunk("IEND", Buffer.alloc(0)));
  return Buffer.concat(parts);
}

function chunksOf(picture) {
  const chunks = [];
  for (let at = 8; at < picture.length;) {
    const length = picture.readUInt32BE(at);
    const type = picture.toString("latin1", at + 4, at + 8);
    chunks.push({ type, data: picture.subarray(at + 8, at + 8 + length) });
    at += 12 + length;
  }
  return chunks;
}
