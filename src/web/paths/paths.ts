import { type PageName, type PagePath, pages, type VariablesOf } from "#shared/pages.js";

/** Arguments of a link: the path's variables in order, then search parameters. */
type LinkTo<Path extends string> = <const Search extends object = Record<string, never>>(
  ...args: [...AllStrings<VariablesOf<Path>>, search?: Search]
) => { to: Path; params: Record<VariablesOf<Path>[number], string>; search: Search };
type AllStrings<Names extends readonly string[]> = { [Index in keyof Names]: string };

function linkTo(path: string): (...args: (string | object)[]) => object {
  const names = path.split("/").flatMap((part) => (part.startsWith("$") ? [part.slice(1)] : []));
  return (...args) => ({
    to: path,
    params: Object.fromEntries(names.map((name, at) => [name, args[at]])),
    search: args[names.length] ?? {},
  });
}

/** Builds every link of the app: `<Link {...paths.agentRuns(agentId, { run: "failed" })}>`. */
export const paths = Object.fromEntries(
  Object.entries(pages).map(([name, { path }]) => [name, linkTo(path)]),
) as unknown as { [Name in PageName]: LinkTo<PagePath<Name>> };
