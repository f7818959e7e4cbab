import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { REFUSED, seccompFilter } from "./seccomp.js";
import { openTestSandbox, type TestSandbox } from "#test/support/sandbox/test-sandbox.js";

const ALLOW = 0x7fff_0000;
const KILL = 0x8000_0000;
const EPERM = 0x0005_0001;
const ENOSYS = 0x0005_0026;
const ARCHITECTURES = { x64: 0xc000_003e, arm64: 0xc000_00b7 } as const;

/** Interprets the filter for a call as the kernel does (seccomp(2), classic BPF). */
function verdict(
  program: Buffer,
  call: { architecture: number; number: number; args?: readonly bigint[] },
): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(call.number, 0);
  data.writeUInt32LE(call.architecture, 4);
  for (const [index, value] of (call.args ?? []).entries()) {
    data.writeBigUInt64LE(BigInt.asUintN(64, value), 16 + 8 * index);
  }
  let accumulator = 0;
  for (let at = 0; ; at += 1) {
    const code = program.readUInt16LE(8 * at);
    const value = program.readUInt32LE(8 * at + 4);
    const jump = (isTrue: boolean): void => {
      at += program.readUInt8(8 * at + (isTrue ? 2 : 3));
    };
    if (code === 0x06) return value;
    if (code === 0x20) accumulator = data.readUInt32LE(value);
    else if (code === 0x15) jump(accumulator === value);
    else if (code === 0x35) jump(accumulator >= value);
    else if (code === 0x45) jump((accumulator & value) >>> 0 !== 0);
    else throw new Error(`no such instruction: ${code}`);
  }
}

for (const [name, architecture] of Object.entries(ARCHITECTURES)) {
  const program = seccompFilter(name as NodeJS.Architecture) as Buffer;
  const is64 = name === "x64";
  const numbers = is64
    ? { read: 0, clone: 56, unshare: 272, ioctl: 16, socket: 41, personality: 135 }
    : { read: 63, clone: 220, unshare: 97, ioctl: 29, socket: 198, personality: 92 };
  const judge = (number: number, ...args: bigint[]): number =>
    verdict(program, { architecture, number, args });

  test(`${name}: refuses all listed calls and no others`, () => {
    const refused = Object.values(REFUSED).map((pair) => pair[is64 ? 0 : 1]);
    for (const number of refused) {
      if (number !== null) expect(judge(number)).toBe(EPERM);
    }
    expect(judge(435)).toBe(ENOSYS);
    const others = Array.from({ length: 470 }, (_, number) => number).filter(
      (number) =>
        !refused.includes(number) && ![435, numbers.socket, numbers.personality].includes(number),
    );
    expect(others.filter((number) => judge(number) !== ALLOW)).toEqual([]);
  });

  test(`${name}: decides some calls by their arguments`, () => {
    expect(judge(numbers.clone, 0x0120_0011n)).toBe(ALLOW); // fork
    expect(judge(numbers.clone, 0x003d_0f00n)).toBe(ALLOW); // a thread
    for (const flag of [
      0x2_0000n,
      0x200_0000n,
      0x400_0000n,
      0x800_0000n,
      0x1000_0000n,
      0x2000_0000n,
      0x4000_0000n,
      0x80n,
    ]) {
      expect(judge(numbers.unshare, flag)).toBe(EPERM);
      if (flag !== 0x80n) expect(judge(numbers.clone, flag | 0x11n)).toBe(EPERM);
    }
    expect(judge(numbers.unshare, 0x400n)).toBe(ALLOW); // its files
    expect(judge(numbers.ioctl, 0n, 0x5401n)).toBe(ALLOW);
    // The kernel reads only the low half of a request.
    for (const request of [0x5412n, 0x541cn, 0x1_0000_5412n]) {
      expect(judge(numbers.ioctl, 0n, request)).toBe(EPERM);
    }
    for (const family of [1n, 2n, 10n, 16n]) expect(judge(numbers.socket, family)).toBe(ALLOW);
    for (const family of [17n, 38n, 40n]) expect(judge(numbers.socket, family)).not.toBe(ALLOW);
    expect(judge(numbers.personality, 0xffff_ffffn)).toBe(ALLOW);
    expect(judge(numbers.personality, 0x040_0000n)).toBe(EPERM);
  });

  test(`${name}: calls by another architecture's numbers kill the process`, () => {
    for (const other of [0x4000_0003, 0x4000_0028, ...Object.values(ARCHITECTURES)]) {
      const found = verdict(program, { architecture: other, number: numbers.read });
      expect(found).toBe(other === architecture ? ALLOW : KILL);
    }
    if (is64) expect(judge(0x4000_0000 + 39)).toBe(KILL);
  });
}

test("an unknown architecture has no filter", () => {
  expect(seccompFilter("riscv64")).toBeNull();
});

let sandbox: TestSandbox;
beforeAll(async () => {
  sandbox = await openTestSandbox();
});
afterAll(() => sandbox.close());

/** Makes raw system calls in a sandbox; returns the errno of each, 0 for success. */
async function callsFromInside(calls: readonly (readonly number[])[]): Promise<number[]> {
  const words = calls.map((call) => call.join(","));
  const script =
    'for (@ARGV) { $! = 0; my ($n, @a) = map { int } split /,/; my $r = syscall($n, @a); print $r < 0 ? $!+0 : 0, "\\n" }';
  const { output } = await sandbox.run(["perl", "-e", script, ...words]);
  return output.trim().split("\n").map(Number);
}

test.runIf(process.arch === "x64")("the kernel applies the filter", async () => {
  const numbers = Object.values(REFUSED).flatMap(([number]) => (number === null ? [] : [[number]]));
  const errors = await callsFromInside(numbers);
  expect(errors).toEqual(numbers.map(() => 1));
  const byArguments = [
    [435], // clone3
    [272, 0x1000_0000], // unshare of the user namespace
    [16, 0, 0x5412], // TIOCSTI
    [41, 40, 1, 0], // a socket to the machine's host
    [41, 2, 1, 0], // a socket of the Internet
  ];
  expect(await callsFromInside(byArguments)).toEqual([38, 1, 1, 97, 0]);
});

test.runIf(process.arch === "x64")("calls of another architecture end a program", async () => {
  const x32 = await sandbox.run(["perl", "-e", "syscall(0x40000000 + 39); print 'lived'"]);
  expect(x32).toMatchObject({ exitCode: 159, signal: "SIGSYS", output: "" });

  // A complete 32-bit program that exits with 7 by int 0x80: mov eax,1; mov ebx,7; int 0x80.
  const code = Buffer.from("b801000000bb07000000cd80", "hex");
  const program = Buffer.alloc(84 + code.length);
  program.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  for (const [offset, value] of [
    [16, 2],
    [18, 3],
    [40, 52],
    [42, 32],
    [44, 1],
  ] as const) {
    program.writeUInt16LE(value, offset);
  }
  const base = 0x0804_8000;
  for (const [offset, value] of [
    [20, 1],
    [24, base + 84],
    [28, 52],
    [52, 1],
    [56, 0],
    [60, base],
    [64, base],
    [68, program.length],
    [72, program.length],
    [76, 5],
    [80, 4096],
  ] as const) {
    program.writeUInt32LE(value, offset);
  }
  program.set(code, 84);
  const folder = sandbox.workspace();
  writeFileSync(join(folder, "thirty-two"), program);
  chmodSync(join(folder, "thirty-two"), 0o755);
  const ended = await sandbox.run(["./thirty-two"], { folder });
  // A kernel without 32-bit support cannot start it at all.
  expect(ended.exitCode).toBe(ended.reason === "start_failed" ? 126 : 159);
});
