import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../server/built-files.js";

/** An image: what is in it besides the programs of this machine, and its defaults. */
export interface Image {
  mounts: readonly string[];
  entrypoint: readonly string[];
  folder: string;
  env: Readonly<Record<string, string>>;
}

/** An image without anything of Omoi. */
export const plainImage: Image = { mounts: [], entrypoint: [], folder: "/", env: {} };

/** Returns Omoi's image as its Dockerfile describes it, with the programs of `dist`. */
export function omoiImage(): Image {
  const text = readFileSync(join(root, "deploy/Dockerfile"), "utf8");
  const last = (name: string): string =>
    [...text.matchAll(new RegExp(`^${name} (.*)$`, "gm"))].at(-1)?.[1] ?? "";
  const folder = last("WORKDIR");
  const entrypoint = JSON.parse(last("ENTRYPOINT")) as string[];
  const variables = last("ENV").split(" ");
  const copied = ["package.json", "node_modules", "dist"];
  return {
    mounts: copied.flatMap((name) => ["--ro-bind", join(root, name), `${folder}/${name}`]),
    // A machine may lack tini.
    entrypoint: existsSync(`/usr/bin/${entrypoint[0]}`) ? entrypoint : [],
    folder,
    env: Object.fromEntries(variables.map((one) => one.split("=") as [string, string])),
  };
}
