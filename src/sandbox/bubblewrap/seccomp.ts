/**
 * The sandbox's system call filter as a classic BPF program in the machine's byte order
 * (seccomp(2), `struct sock_filter`). It refuses calls that reach into the kernel, other processes
 * or new namespaces, and kills the process on calls of another architecture. The sandbox is
 * complete without it; the filter reduces the kernel's attack surface (like Docker's default
 * profile).
 */

/** Numbers from asm/unistd.h; null if the architecture lacks the call. */
export const REFUSED: Readonly<
  Record<string, readonly [x86_64: number | null, aarch64: number | null]>
> = {
  // mounts and roots
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
  open_tree_attr: [467, 467],
  setns: [308, 268],
  swapon: [167, 224],
  swapoff: [168, 225],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  open_by_handle_at: [304, 265],
  name_to_handle_at: [303, 264],
  fanotify_init: [300, 262],
  fanotify_mark: [301, 263],
  // other processes
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  process_madvise: [440, 440],
  pidfd_getfd: [438, 438],
  kcmp: [312, 272],
  move_pages: [279, 239],
  migrate_pages: [256, 238],
  // keys, programs and events inside the kernel
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  vmsplice: [278, 75],
  lookup_dcookie: [212, 18],
  // the kernel itself
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  create_module: [174, null],
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  get_kernel_syms: [177, null],
  query_module: [178, null],
  reboot: [169, 142],
  acct: [163, 89],
  syslog: [103, 116],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  clock_adjtime: [305, 266],
  adjtimex: [159, 171],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  vhangup: [153, 58],
  nfsservctl: [180, 42],
  uselib: [134, null],
  ustat: [136, null],
  sysfs: [139, null],
  _sysctl: [156, null],
  iopl: [172, null],
  ioperm: [173, null],
  modify_ldt: [154, null],
};

interface Architecture {
  /** The column of the table. */
  column: 0 | 1;
  /** AUDIT_ARCH_… from linux/audit.h. */
  audit: number;
  clone: number;
  clone3: number;
  unshare: number;
  ioctl: number;
  socket: number;
  personality: number;
}

const ARCHITECTURES: Readonly<Partial<Record<NodeJS.Architecture, Architecture>>> = {
  x64: {
    column: 0,
    audit: 0xc000003e,
    clone: 56,
    clone3: 435,
    unshare: 272,
    ioctl: 16,
    socket: 41,
    personality: 135,
  },
  arm64: {
    column: 1,
    audit: 0xc00000b7,
    clone: 220,
    clone3: 435,
    unshare: 97,
    ioctl: 29,
    socket: 198,
    personality: 92,
  },
};

/** CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET,TIME} */
const NEW_NAMESPACES = 0x7e02_0080;
/** ioctls that insert text into a terminal's input: TIOCSTI, TIOCLINUX. */
const TERMINAL_INPUT = [0x5412, 0x541c];
/**
 * AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. Others reach rarely used kernel code, or the host
 * (AF_VSOCK).
 */
const SOCKET_FAMILIES = [1, 2, 10, 16];
/** PER_LINUX and UNAME26, alone or combined, without READ_IMPLIES_EXEC, and the query value. */
const PERSONALITIES = [0x0, 0x0008, 0x2_0000, 0x2_0008, 0xffff_ffff];

const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_AT_LEAST = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const JUMP_ANY_BIT = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K

const ALLOW = 0x7fff_0000;
const KILL_PROCESS = 0x8000_0000;
const refuse = (errno: number): number => 0x0005_0000 | errno;

/** Offsets in `struct seccomp_data`; both architectures are little-endian, low half first. */
const NUMBER = 0;
const ARCHITECTURE = 4;
const argument = (index: number): number => 16 + 8 * index;

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, value: number];

/** Builds the filter for an architecture in Node's naming; null if unknown. */
export function seccompFilter(architecture: NodeJS.Architecture = process.arch): Buffer | null {
  const target = ARCHITECTURES[architecture];
  if (target === undefined) return null;
  const program: Instruction[] = [
    [LOAD, 0, 0, ARCHITECTURE],
    [JUMP_EQUAL, 1, 0, target.audit],
    [RETURN, 0, 0, KILL_PROCESS],
    [LOAD, 0, 0, NUMBER],
  ];
  if (architecture === "x64") {
    // x32 calls: the same architecture with other numbers.
    program.push([JUMP_AT_LEAST, 0, 1, 0x4000_0000], [RETURN, 0, 0, KILL_PROCESS]);
  }
  for (const numbers of Object.values(REFUSED)) {
    const number = numbers[target.column];
    if (number === null) continue;
    program.push([JUMP_EQUAL, 0, 1, number], [RETURN, 0, 0, refuse(EPERM)]);
  }
  // Its flags are behind a pointer, which a filter cannot read; libc falls back to clone.
  program.push([JUMP_EQUAL, 0, 1, target.clone3], [RETURN, 0, 0, refuse(ENOSYS)]);
  for (const call of [target.clone, target.unshare]) {
    program.push(
      ...when(call, [
        [LOAD, 0, 0, argument(0)],
        [JUMP_ANY_BIT, 0, 1, NEW_NAMESPACES],
        [RETURN, 0, 0, refuse(EPERM)],
        [RETURN, 0, 0, ALLOW],
      ]),
    );
  }
  program.push(
    ...when(target.ioctl, [
      [LOAD, 0, 0, argument(1)],
      ...TERMINAL_INPUT.flatMap((request): Instruction[] => [
        [JUMP_EQUAL, 0, 1, request],
        [RETURN, 0, 0, refuse(EPERM)],
      ]),
      [RETURN, 0, 0, ALLOW],
    ]),
    ...when(target.socket, onlyFor(SOCKET_FAMILIES, EAFNOSUPPORT)),
    ...when(target.personality, onlyFor(PERSONALITIES, EPERM)),
    [RETURN, 0, 0, ALLOW],
  );
  const bytes = Buffer.alloc(8 * program.length);
  for (const [index, [code, ifTrue, ifFalse, value]] of program.entries()) {
    bytes.writeUInt16LE(code, 8 * index);
    bytes.writeUInt8(ifTrue, 8 * index + 2);
    bytes.writeUInt8(ifFalse, 8 * index + 3);
    bytes.writeUInt32LE(value, 8 * index + 4);
  }
  return bytes;
}

/** Runs `body`, which must return on every path, for one call; other calls continue after it. */
function when(call: number, body: readonly Instruction[]): Instruction[] {
  return [[JUMP_EQUAL, 0, body.length, call], ...body];
}

/** Allows a call with one of these first arguments and refuses all others. */
function onlyFor(values: readonly number[], errno: number): Instruction[] {
  return [
    [LOAD, 0, 0, argument(0)],
    ...values.flatMap((value): Instruction[] => [
      [JUMP_EQUAL, 0, 1, value],
      [RETURN, 0, 0, ALLOW],
    ]),
    [RETURN, 0, 0, refuse(errno)],
  ];
}
