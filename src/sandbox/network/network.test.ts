/**
 * The reach of a command with network: the outside and one port of the server, nothing else on the
 * machine.
 */
import { testNetwork } from "#test/support/sandbox/network-tests.js";
import { describeBubblewrap } from "#test/support/sandbox/test-sandbox.js";

describeBubblewrap("a run with the network", testNetwork);
