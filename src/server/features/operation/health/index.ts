export { RECOVERED_BYTES } from "./disk-check.js";
