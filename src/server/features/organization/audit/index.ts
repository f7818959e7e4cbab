export { type ChainHead, type ChainReport, verifyChains } from "./verify-chains.js";
