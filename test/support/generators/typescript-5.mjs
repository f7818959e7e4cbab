/**
 * Gives generators that are installed beside the compiler of the product, which has no interface for
 * programs, the compiler of test/generated-client. For `node --import`.
 */
import { register } from "node:module";

const typescript = new URL(
  "../../generated-client/node_modules/typescript/lib/typescript.js",
  import.meta.url,
).href;
const hooks = `
export const resolve = (name, context, next) =>
  name === "typescript" ? { url: ${JSON.stringify(typescript)}, format: "commonjs", shortCircuit: true } : next(name, context);
`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
