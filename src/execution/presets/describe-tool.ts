import { propertyOf } from "../logs/json-output.js";

const PATHS = ["file_path", "filePath", "absolute_path", "notebook_path", "path", "dir_path"];

/** The verb for a tool, and the inputs of which the first one given is its object. Tool names are compared without case and separators. */
const ACTIONS: readonly [names: string, verb: string, inputs: readonly string[]][] = [
  ["read readfile notebookread", "Read", PATHS],
  ["edit multiedit notebookedit replace patch applypatch", "Edit", PATHS],
  ["write writefile", "Write", PATHS],
  ["bash shell runshellcommand", "Run", ["command", "cmd"]],
  [
    "glob grep list ls search searchfilecontent listdirectory",
    "Search",
    ["pattern", "query", ...PATHS],
  ],
  ["webfetch fetch", "Fetch", ["url", "prompt"]],
  ["websearch googlewebsearch", "Search the web for", ["query"]],
  ["task agent", "Delegate", ["description", "prompt"]],
];

/** Describes a call of a tool in a few words, such as `Edit src/a.ts`. Name and input are untrusted. */
export function describeTool(name: unknown, input: unknown): string {
  const shown = typeof name === "string" && name !== "" ? name : "a tool";
  const plain = shown.toLowerCase().replaceAll(/[^a-z]/g, "");
  const action = ACTIONS.find(([names]) => names.split(" ").includes(plain));
  if (action === undefined) return `Use ${shown}`;
  const [, verb, inputs] = action;
  const object = inputs
    .map((key) => propertyOf(input, key))
    .find((value) => typeof value === "string");
  return object === undefined ? `Use ${shown}` : `${verb} ${object}`;
}
