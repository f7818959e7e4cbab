/** Gives generators the compiler of this folder: that of the product has no interface for programs. For `node --import`. */
import { register } from "node:module";

const typescript = new URL("./node_modules/typescript/lib/typescript.js", import.meta.url).href;
const hooks = `
export const resolve = (name, context, next) =>
  name === "typescript" ? { url: ${JSON.stringify(typescript)}, format: "commonjs", shortCircuit: true } : next(name, context);
`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
