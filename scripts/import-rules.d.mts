/** Types of import-rules.mjs for its test. */
export function forbidden(path: string, target: string, isType?: boolean): string | null;
export function importsOf(text: string): { specifier: string; isType: boolean; isLazy: boolean }[];
export function importViolations(root: string): string[];
export function circlesOf(graph: ReadonlyMap<string, ReadonlySet<string>>): string[][];
