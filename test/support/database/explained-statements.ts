import pg from "pg";
import { vi } from "vitest";

interface PlanNode {
  "Node Type": string;
  "Relation Name"?: string;
  "Actual Rows"?: number;
  "Actual Loops"?: number;
  "Rows Removed by Filter"?: number;
  Plans?: PlanNode[];
}

export interface ExplainedStatement {
  text: string;
  /** All nodes of its plan. */
  plan: Promise<PlanNode[]>;
}

/**
 * Explains each statement that the process sends to PostgreSQL and that matches a pattern, on its own connection just
 * before it runs, with row-level security in force. Returns the list to which they are added;
 * `vi.restoreAllMocks()` ends it.
 * @param options of `explain`; with `analyze`, a statement is executed twice
 */
export function explainStatements(pattern: RegExp, options = ""): ExplainedStatement[] {
  const explained: ExplainedStatement[] = [];
  const { query } = pg.Client.prototype as unknown as {
    query: (...args: unknown[]) => Promise<pg.QueryResult>;
  };
  vi.spyOn(pg.Client.prototype, "query").mockImplementation(function (
    this: pg.Client,
    ...args: unknown[]
  ) {
    const [statement, values] = args as [string | pg.QueryConfig, unknown];
    const { text, values: own } = typeof statement === "string" ? { text: statement } : statement;
    if (!pattern.test(text)) return query.apply(this, args);
    const bound = Array.isArray(values) ? values : own;
    const explain = { text: `explain (format json${options}) ${text}`, values: bound };
    const plan = query.call(this, explain).then(({ rows }) => {
      const [row] = rows as { "QUERY PLAN": { Plan: PlanNode }[] }[];
      return nodesOf(row?.["QUERY PLAN"][0]?.Plan);
    });
    explained.push({ text, plan });
    return plan.then(() => query.apply(this, args));
  } as never);
  return explained;
}

function nodesOf(node: PlanNode | undefined): PlanNode[] {
  return node ? [node, ...(node.Plans ?? []).flatMap(nodesOf)] : [];
}
