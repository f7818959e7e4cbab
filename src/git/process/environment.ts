/** Fixed settings and environment of every git process. */
import type { GitOptions } from "./git-options.js";

/** The id of the empty tree, known to every SHA-1 repository. */
export const EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

const ALLOWED_ENV = /^GIT_(?:(?:AUTHOR|COMMITTER)_(?:NAME|EMAIL|DATE)|PROTOCOL|ALLOC_LIMIT)$/;

/**
 * Settings of every call. The repository's own config contains only the lines written by
 * `bare-repository.ts`.
 */
const FIXED_CONFIG: readonly (readonly [string, string])[] = [
  ["core.hooksPath", "/dev/null"],
  ["core.fsmonitor", "false"],
  ["core.untrackedCache", "false"],
  ["core.splitIndex", "false"],
  ["core.sparseCheckout", "false"],
  ["core.attributesFile", "/dev/null"],
  ["core.excludesFile", "/dev/null"],
  ["core.autocrlf", "false"],
  ["core.fileMode", "true"],
  ["core.symlinks", "true"],
  ["core.ignoreCase", "false"],
  ["core.precomposeUnicode", "false"],
  ["core.protectHFS", "true"],
  ["core.protectNTFS", "true"],
  ["core.quotePath", "false"],
  ["core.askPass", ""],
  ["index.version", "4"],
  ["index.skipHash", "true"],
  ["credential.helper", ""],
  ["protocol.allow", "never"],
  ["safe.directory", "*"],
  ["safe.bareRepository", "all"],
  ["submodule.recurse", "false"],
  ["fetch.recurseSubmodules", "false"],
  ["gc.auto", "0"],
  ["maintenance.auto", "false"],
  ["merge.renames", "true"],
  ["merge.directoryRenames", "true"],
  ["merge.renameLimit", "7000"],
  ["merge.conflictStyle", "merge"],
  ["merge.renormalize", "false"],
  ["diff.renames", "true"],
  ["diff.renameLimit", "1000"],
  ["diff.algorithm", "myers"],
  ["diff.mnemonicPrefix", "false"],
  ["diff.noprefix", "false"],
  ["diff.submodule", "short"],
  ["i18n.commitEncoding", "utf-8"],
  ["i18n.logOutputEncoding", "utf-8"],
  ["log.showSignature", "false"],
  ["commit.gpgSign", "false"],
];

function configEnv(pairs: readonly (readonly [string, string])[], from: number) {
  const env: Record<string, string> = {};
  for (const [index, [key, value]] of pairs.entries()) {
    env[`GIT_CONFIG_KEY_${from + index}`] = key;
    env[`GIT_CONFIG_VALUE_${from + index}`] = value;
  }
  return env;
}

/** The search path for programs. */
export const PATH = process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin";

/**
 * Attributes come from the empty tree unless a call says otherwise: bytes pass unchanged (no eol,
 * ident or encoding conversion), and `* -diff` cannot hide a change.
 */
const BASE_ENV: Readonly<Record<string, string>> = {
  PATH,
  HOME: "/nonexistent",
  XDG_CONFIG_HOME: "/nonexistent",
  LC_ALL: "C",
  TZ: "UTC",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_COUNT: String(FIXED_CONFIG.length),
  GIT_ATTR_NOSYSTEM: "1",
  GIT_ATTR_SOURCE: EMPTY_TREE,
  GIT_TERMINAL_PROMPT: "0",
  GIT_ASKPASS: "",
  GIT_NO_LAZY_FETCH: "1",
  GIT_NO_REPLACE_OBJECTS: "1",
  GIT_OPTIONAL_LOCKS: "0",
  GIT_LITERAL_PATHSPECS: "1",
  GIT_PROTOCOL_FROM_USER: "0",
  GIT_ALLOW_PROTOCOL: "",
  GIT_CEILING_DIRECTORIES: "/",
  GIT_DEFAULT_HASH: "sha1",
  GIT_DEFAULT_REF_FORMAT: "files",
  GIT_ADVICE: "0",
  GIT_SSH_VARIANT: "ssh",
  // The server speaks SSH itself (ssh-session.ts); git copies between two descriptors.
  GIT_SSH_COMMAND: "f() { cat <&3 & exec cat >&4; }; f",
  ...configEnv(FIXED_CONFIG, 0),
};

/**
 * Builds the complete environment of a git process.
 * @throws TypeError for a variable that is not on the allow-list
 */
export function environment(options: GitOptions): Record<string, string> {
  const env: Record<string, string> = { ...BASE_ENV };
  if (options.literalPaths === false) delete env["GIT_LITERAL_PATHSPECS"];
  if (options.gitDir !== undefined) env["GIT_DIR"] = options.gitDir;
  if (options.workTree !== undefined) env["GIT_WORK_TREE"] = options.workTree;
  if (options.indexFile !== undefined) env["GIT_INDEX_FILE"] = options.indexFile;
  if (options.globalConfig !== undefined) env["GIT_CONFIG_GLOBAL"] = options.globalConfig;
  if (options.protocols !== undefined) env["GIT_ALLOW_PROTOCOL"] = options.protocols.join(":");
  if (options.config !== undefined && options.config.length > 0) {
    Object.assign(env, configEnv(options.config, FIXED_CONFIG.length));
    env["GIT_CONFIG_COUNT"] = String(FIXED_CONFIG.length + options.config.length);
  }
  for (const [name, value] of Object.entries(options.env ?? {})) {
    if (!ALLOWED_ENV.test(name)) throw new TypeError(`git must not receive the variable ${name}`);
    env[name] = value;
  }
  return env;
}
