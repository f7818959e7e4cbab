// Thorough: the same tests by gVisor, a second kind of sandbox.
import { testNetwork } from "#test/support/sandbox/network-tests.js";
import { describeGvisor } from "#test/support/sandbox/test-sandbox.js";

describeGvisor("a run with the network", testNetwork);
